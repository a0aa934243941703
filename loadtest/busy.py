"""Users who never pause, with pgbench's own statement: how much one process of locust asks, beside pgbench (reach.py)."""

import sys
import time
from pathlib import Path

from locust import constant, events, task

sys.path.insert(0, str(Path(__file__).parent))

from checks import Wrong
from destination import TOKEN
from messages import Answer
from visitors import Resident

WITHOUT_PAUSE = 100  # between two of locust's own turns


@events.test_start.add_listener
def begun(**_: object) -> None:
    spent = time.process_time()

    @events.test_stop.add_listener
    def ended(**_: object) -> None:
        print(f"CPU seconds: {time.process_time() - spent:.3f}")


class Busy(Resident):
    """What `pgbench -S` asks, as fast as answers come; locust hears of each."""

    kind, token = "busy", TOKEN
    wait_time = constant(0)

    @task
    def balances(self) -> None:
        for _ in range(WITHOUT_PAUSE):
            sql = f"SELECT abalance FROM pgbench_accounts WHERE aid = {self.somebody()};"
            self.ask("balance", sql, one_row)


def one_row(answer: Answer) -> None:
    """Exactly one."""
    if len(answer.raw) != 1:
        raise Wrong(f"{len(answer.raw)} rows")
