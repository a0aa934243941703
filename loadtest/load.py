"""`make load`: starts the servers, lets locust's users work for a while without a browser, prints locust's table."""

import argparse
import subprocess
import sys
from pathlib import Path

from servers import running


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50, help="users at once")
    parser.add_argument("--seconds", type=int, default=30, help="how long")
    options = parser.parse_args()
    with running() as servers:
        target = servers.sluice(servers.postgres())
        variables = target.environment() | {
            "LOAD_PORT": str(target.port),
            "LOAD_ANALYST": target.password,
            "LOAD_AGENT": servers.token("ann", "agent-7"),
        }
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(Path(__file__).with_name("locustfile.py")),
            "--headless",
        ]
        command += [
            "--users",
            str(options.users),
            "--spawn-rate",
            "25",
            "--run-time",
            f"{options.seconds}s",
            "--only-summary",
        ]
        sys.exit(subprocess.run(command, env=variables, check=False).returncode)


if __name__ == "__main__":
    main()
