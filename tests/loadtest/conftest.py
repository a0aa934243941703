"""The load test's modules find each other in their own folder, as when they are run."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "loadtest"))
