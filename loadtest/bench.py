"""The measurement of record: peers side by side on one machine, in sections; each says its goal and what was reached.

`make bench` prints Markdown tables and takes three quarters of an hour; ARGS=--record also puts them in bench.md;
ARGS=--short is a quick look; ARGS="--only tpcb,tls" measures these sections alone.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import idle
import large
import latency
import pipelines
import recording
import scaling
import selects
import signing_in
import tls
import tpcb
from machine import machine, versions
from servers import Servers, running
from tables import reason, record, tell


class Section(Protocol):
    def __call__(self, servers: Servers, *, short: bool) -> list[str]:
        """The lines of Markdown between the marks of its name in bench.md."""


SECTIONS: dict[str, Section] = {
    "selects": selects.measure,
    "tpcb": tpcb.measure,
    "tls": tls.measure,
    "latency": latency.measure,
    "pipelines": pipelines.measure,
    "large": large.measure,
    "signing-in": signing_in.measure,
    "idle": idle.measure,
    "recording": recording.measure,
    "scaling": scaling.measure,
}


LONG = ("idle", "scaling")  # these take minutes however few their rounds: a quick look leaves them out


def chosen(text: str) -> list[str]:
    """The sections of `--only`, in the order of the table."""
    names = [name.strip() for name in text.split(",")]
    if strange := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"no section {', '.join(strange)}; there are {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in names]


def run(sections: Sequence[str], arguments: Sequence[str], *, short: bool, keep: Callable[[str, str], None]) -> list[str]:
    """Measures them, prints and keeps each as it ends; the names of those that came to nothing."""
    broken = []
    origin = f"`{command(arguments)}`. {machine()}; load average before {os.getloadavg()[0]:.1f}. {versions()}."
    with running() as servers:
        for name in sections:
            tell(f"{name} …")
            try:
                lines = SECTIONS[name](servers, short=short)
            except Exception as error:  # the others are measured all the same
                lines = [f"Not measured: {reason(error)}"]
                broken.append(name)
            text = "\n".join([origin, *lines])
            print(f"## {name}\n\n{text}\n", flush=True)
            keep(name, text)
    return broken


def command(arguments: Sequence[str]) -> str:
    """As it is typed, without what only says where the result goes."""
    kept = [argument for argument in arguments if argument != "--record"]
    return f'make bench ARGS="{shlex.join(kept)}"' if kept else "make bench"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="few rounds, few cases, no crowds: some 3 minutes")
    parser.add_argument("--only", type=chosen, help="sections, with commas between")
    parser.add_argument("--record", action="store_true", help="put the tables in bench.md")
    options = parser.parse_args()
    keep = record if options.record else lambda name, text: None
    sections = options.only or [name for name in SECTIONS if not (options.short and name in LONG)]
    if broken := run(sections, sys.argv[1:], short=options.short, keep=keep):
        sys.exit(f"not measured: {', '.join(broken)}")


if __name__ == "__main__":
    main()
