"""The load users, for locust, until everything that LOAD_UNTIL names was asked: no test depends on how long that takes."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import gevent
from locust import constant, events
from locust.env import Environment

sys.path.append(str(Path(__file__).parents[2] / "loadtest"))

from locustfile import Agent, Analyst, BatchJob, SignInStorm, SlowReader

__all__ = ["Agent", "Analyst", "BatchJob", "SignInStorm", "SlowReader"]
BatchJob.wait_time = constant(0)
missing = {tuple(each) for each in json.loads(os.environ["LOAD_UNTIL"])}


@events.init.add_listener
def begun(environment: Environment, **_: Any) -> None:
    @events.request.add_listener
    def heard(request_type: str, name: str, **_: Any) -> None:
        missing.discard((request_type, name))
        if not missing and environment.runner:
            gevent.spawn(environment.runner.quit)
