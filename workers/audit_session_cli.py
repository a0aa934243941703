"""`sluice audit session`: one session as a story, on a screen."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import click
import orjson
from rich.console import Console
from rich.text import Text

from gateway.audit.filters import Filter
from gateway.audit.query import Entry
from gateway.audit.telling import Story
from workers.audit_cli import plain, visible
from workers.audit_group import audit_directories, stop, unreadable
from workers.audit_options import searching
from workers.audit_tables import print_table

_SHOWN = 30  # steps of the beginning, of the end, and refusals between them
_TEXT = 200  # characters of one statement


@click.command()
@click.argument("session")
@click.option("--all", "everything", is_flag=True, help="Every step, however many.")
@click.option("--json", "as_json", is_flag=True, help="One step a line.")
@click.pass_context
def session(context: click.Context, session: str, everything: bool, as_json: bool) -> None:
    """One session as a story: who, each statement, why, what came of it."""
    try:
        with searching(audit_directories(context), Filter(session=session), prints=as_json) as search:
            steps = told(search.entries())
            if as_json:
                known = False
                for step in steps:
                    known = True
                    click.echo(orjson.dumps(step))
            else:
                known = _show(steps, everything)
    except (OSError, ValueError) as error:
        unreadable(error)
    if not known:
        stop("no session has this id", 1)


def told(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """The steps of a session's records."""
    story = Story()
    for entry in entries:
        yield from story.tell(entry)
    yield from story.end()


def _show(steps: Iterator[dict[str, Any]], everything: bool) -> bool:
    """Prints what fits: the beginning, refusals in the middle, the end. False where there is no session."""
    first: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    last: deque[dict[str, Any]] = deque()
    who = end = None
    left_out = 0
    for step in steps:
        if step["step"] == "session":
            who = step
        elif step["step"] == "end":
            end = step
        elif everything or len(first) < _SHOWN:
            first.append(step)
        else:
            last.append(step)
            if len(last) > _SHOWN:
                passed = last.popleft()
                if passed.get("status") == "refused" and len(refused) < _SHOWN:
                    refused.append(passed)
                else:
                    left_out += 1
    if who is None:
        return False
    console = Console(highlight=False, soft_wrap=True)
    _print_who(console, who)
    print_table(("#", "time", "how", "what", "rows", "ms", "why, and what was shown"), map(_row, [*first, *refused, *last]))
    if left_out:
        console.print(f"({left_out} more steps between them: --all shows them)")
    if end is not None:
        _print_end(console, end)
    return True


def _print_who(console: Console, who: dict[str, Any]) -> None:
    through = " > ".join(who["actor"])
    agent = ", ".join(f"{name} {who[name]}" for name in ("model", "run") if who[name])
    client = who["client"]
    lines = [
        ("session", who["session"]),
        ("who", f"{who['user']} ({', '.join(who['groups']) or 'no groups'})"),
        ("through", f"{through}{f' ({agent})' if agent else ''}" if through or agent else ""),
        ("token", f"{who['token_id'] or '-'} of {who['issuer'] or '-'}"),
        ("by", f"{who['method']}{' (weak)' if who.get('weak') else ''}"),
        ("from", f"{client['address']}{' with ' + client['application'] if client['application'] else ''}"),
        ("to", f"{who['database']} ({who['environment']}) as {who['role']}"),
        ("began", who["began"]),
    ]
    for name, text in lines:
        if text:
            console.print(Text(f"{name:8} ", style="bold"), Text(visible(text)), sep="")
    console.print()


def _print_end(console: Console, end: dict[str, Any]) -> None:
    did = ", ".join(f"{count} {name}" for name, count in sorted(end["effects"].items()))
    console.print()
    console.print(
        f"{end['statements']} statements ({did or 'none'}): {end['refused']} refused, {end['failed']} failed, "
        f"{end['running']} without an outcome; {end['rows']} rows, {end['bytes']} bytes; "
        f"{end['mismatches']} against what was declared"
    )
    if end["ended"] is None:
        console.print(f"its end is not on record; last record {end['last']}")
    else:
        why = f": {end['why']}" if end["why"] else ""
        console.print(Text(visible(f"ended {end['ended']} after {end['seconds']} s{why}")))


def _row(step: dict[str, Any]) -> list[str | Text]:
    time = step["time"][11:23]
    if step["step"] == "event":
        facts = {name: each for name, each in step.items() if name not in ("step", "time", "kind", "id", "what")}
        return ["", time, step["kind"], visible(plain(step.get("what", ""))), "", "", visible(plain(facts))]
    status = f"{step['status']} {step.get('sqlstate') or ''}".strip()
    style = {"ok": "green", "refused": "red"}.get(step["status"], "yellow")
    text = visible(step["statement"])
    return [
        str(step["number"] or ""),
        time,
        Text(status if step["decision"] == "allow" else f"{step['decision']}: {status}", style=style),
        text if len(text) <= _TEXT else text[:_TEXT] + "…",
        str(step.get("rows", "")),
        f"{step['duration_us'] / 1000:.1f}" if "duration_us" in step else "",
        visible(_why(step)),
    ]


def _why(step: dict[str, Any]) -> str:
    """Rule or grant, approval, what was declared against what it did, and the columns shown."""
    parts = []
    grant = step["grant"]["name"] if step["grant"] else ""
    if rules := [each for each in step["rules"] if each != grant]:
        parts.append(f"rule {', '.join(rules)}")
    if grant:
        parts.append(f"grant {grant}")
    if step["approval"]:
        parts.append(f"approval {step['approval']}")
    if said := step["declared"]:
        meant = " ".join(each for each in (said["effect"], ", ".join(said["tables"]), said["ticket"]) if each)
        parts.append(f"declared {meant or said['reason']}")
        if said["mismatch"]:
            parts.append(f"but {', '.join(said['mismatch'])}")
    changed = step.get("affected") or {}
    if changed:
        parts.append("changed " + ", ".join(f"{table} {'?' if n is None else n}" for table, n in changed.items()))
    masked = [f"{_short(each['column'])} ({each['label']})" for each in step.get("columns_masked", ())]
    if masked:
        parts.append(f"masked {', '.join(masked)}")
    if step.get("columns_clear"):
        parts.append(f"clear {', '.join(map(_short, step['columns_clear']))}")
    return "; ".join(parts)


def _short(column: str) -> str:
    return ".".join(column.rsplit(".", 2)[-2:])
