"""Users who never pause, with pgbench's own statement: how much one process of locust asks, beside pgbench (reach.py)."""

import sys
from pathlib import Path

from locust import constant, task

sys.path.insert(0, str(Path(__file__).parent))

from destination import TOKEN  # noqa: E402
from messages import Answer  # noqa: E402
from visitors import Visitor  # noqa: E402

ACCOUNTS = 100_000


class Busy(Visitor):
    """What `pgbench -S` asks, as fast as answers come."""

    kind, token = "busy", TOKEN
    wait_time = constant(0)

    @task
    def balance(self) -> None:
        sql = f"SELECT abalance FROM pgbench_accounts WHERE aid = {self.chance.randint(1, ACCOUNTS)};"
        self.ask("balance", sql, one_row)


def one_row(answer: Answer) -> None:
    """Exactly one."""
    assert len(answer.raw) == 1, answer
