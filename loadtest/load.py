"""`make load`: locust's users at work on the demo (or on SLUICE_DSN, where it is set), and a report with plots in var/load.

ARGS="--users 100 --seconds 60" says how many and how long; ARGS=--web serves locust's page until Ctrl-C; names of users
(Analyst Agent BatchJob SignInStorm SlowReader) choose who runs; what follows -- are locust's own options.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import report
from destination import AGENT_TOKEN, BATCH_TOKEN, DSN, TOKEN
from kept_demo import AGENT, ROOT, demo
from watching import Watch

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
SPAWNED_PER_SECOND = 25
STOP_SECONDS = 20  # for what is under way: who reads slowly takes some five


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("who", nargs="*", metavar="USER", help="the users that run (default: all)")
    parser.add_argument("--users", type=int, default=100, help="users at once")
    parser.add_argument("--seconds", type=int, default=60, help="how long")
    parser.add_argument(
        "--web", action="store_true", help="serve locust's page on 127.0.0.1:8089 until Ctrl-C"
    )
    parser.add_argument("--gateway-pid", type=int, help="a gateway on this machine to watch, with SLUICE_DSN")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "load", help="where the report goes")
    given = sys.argv[1:]
    ours = given[: given.index("--")] if "--" in given else given
    chosen = parser.parse_args(ours)
    chosen.locust = given[len(ours) + 1 :]
    return chosen


def command(chosen: argparse.Namespace) -> list[str]:
    """Locust's command line."""
    made = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--stop-timeout", str(STOP_SECONDS)]
    made += ["--users", str(chosen.users), "--spawn-rate", str(SPAWNED_PER_SECOND)]
    if chosen.web:
        made += ["--web-host", "127.0.0.1", "--class-picker"]
    else:
        made += ["--headless", "--run-time", f"{chosen.seconds}s", "--only-summary"]
    made += [
        "--html",
        str(chosen.out / "locust.html"),
        "--csv",
        str(chosen.out / "locust"),
        "--csv-full-history",
    ]
    return [*made, *chosen.locust, *chosen.who]


def watched(process: subprocess.Popen[bytes], watches: dict[str, Watch]) -> int:
    """Looks at the processes every second until locust ends."""
    while process.poll() is None:
        for watch in watches.values():
            watch.look()
        time.sleep(1)
    return process.returncode


def run(chosen: argparse.Namespace) -> int:
    """Everything; locust's exit code, which is 1 when something failed."""
    chosen.out.mkdir(parents=True, exist_ok=True)
    for old in chosen.out.iterdir():
        if old.suffix in (".csv", ".json", ".html"):
            old.unlink()
    with ExitStack() as stack:
        told = dict(os.environ) | {"SLUICE_LOAD_SERIES": str(chosen.out / "series.json")}
        gateway = chosen.gateway_pid
        if DSN not in os.environ:
            running = stack.enter_context(demo())
            gateway = running.gateway
            told[DSN] = running.dsn
            told[TOKEN] = running.token("analysts")
            told[AGENT_TOKEN] = running.token("analysts", AGENT)
            told[BATCH_TOKEN] = running.token("analysts,batch")
        process = subprocess.Popen(command(chosen), env=told)
        stack.callback(end, process)
        watches = {"locust": Watch(process.pid)} | ({"gateway": Watch(gateway)} if gateway else {})
        code = watched(process, watches)
        used = {name: watch.samples for name, watch in watches.items()}
    (chosen.out / "processes.json").write_text(json.dumps(used))
    print(f"report: {report.write(chosen.out)}")
    return code


def end(process: subprocess.Popen[bytes]) -> None:
    """Locust may be running still where this process was told to end."""
    if process.poll() is None:
        process.terminate()
        process.wait(STOP_SECONDS + 20)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _leave_it_to_locust(number: int, frame: FrameType | None) -> None:
    """Ctrl-C reaches locust too: it stops its users and ends, and then so do we, with the report."""


if __name__ == "__main__":
    arguments = options()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _leave_it_to_locust)
    sys.exit(run(arguments))
