"""`sluice audit who-touched`, `what-moved` and `who-granted`: an auditor's questions, answered from the files alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.audit.filters import Filter
from gateway.audit.query import timestamp
from gateway.audit.questions import Grounds, InForce, Moved, Movement, Touch, Touched
from workers.audit_cli import plain, visible
from workers.audit_group import audit_directories, stop, unreadable
from workers.audit_options import searching, times
from workers.audit_tables import print_table

_NAMED = 6  # tables in one cell


@click.command("who-touched")
@click.argument("place")
@times
@click.option("--user", default="")
@click.option("--actor", default="", help="An agent anywhere in the chain.")
@click.option("--json", "as_json", is_flag=True, help="One user and chain of agents a line.")
@click.pass_context
def who_touched(context: click.Context, place: str, since: int, until: int, user: str, actor: str, as_json: bool) -> None:
    """Who touched PLACE (an environment, a database or a table), through which agents, and what they did there."""
    asked = Filter(kinds=("intent", "outcome"), place=place, user=user, actor=actor, since=since, until=until)
    touched = Touched()
    _all(context, asked, touched)
    found = touched.found()
    if as_json:
        for each in found:
            click.echo(orjson.dumps(each.to_json()))
    elif not found:
        click.echo(f"nobody touched {visible(place)}")
    else:
        _print_touches(found)


@click.command("what-moved")
@times
@click.option("--user", default="")
@click.option("--actor", default="", help="An agent anywhere in the chain.")
@click.option("--session", default="")
@click.option("--database", default="")
@click.option("--table", default="", help="Statements that name this table.")
@click.option("--json", "as_json", is_flag=True, help="One column or table a line.")
@click.pass_context
def what_moved(context: click.Context, /, since: int, until: int, as_json: bool, **wanted: Any) -> None:
    """Which columns went out, in how many rows, masked or clear; and into which tables rows went."""
    movement = Movement()
    _all(context, Filter(kinds=("outcome",), since=since, until=until, **wanted), movement)
    if as_json:
        for each in (*movement.tables(), *movement.columns()):
            click.echo(orjson.dumps({"way": "out", **each.to_json()}))
        for table, rows in sorted(movement.into.items()):
            click.echo(orjson.dumps({"way": "in", "table": table, "rows": rows if rows >= 0 else None}))
    else:
        _print_movement(movement)


@click.command("who-granted")
@click.option("--session", required=True)
@click.option("--json", "as_json", is_flag=True, help="One object.")
@click.pass_context
def who_granted(context: click.Context, session: str, as_json: bool) -> None:
    """By whose grant a session could do what it did: grants, approvals, token, and since when the policy was in force."""
    grounds = Grounds()
    _all(context, Filter(session=session), grounds)
    if grounds.who is None:
        stop("no session has this id", 1)
    answer = _grounds(context, grounds)
    if as_json:
        click.echo(orjson.dumps(answer))
    else:
        _print_grounds(answer)


def _all(context: click.Context, asked: Filter, into: Touched | Movement | Grounds | InForce) -> None:
    """Gives every record that is asked for to what answers."""
    directories: list[Path] = audit_directories(context)
    try:
        with searching(directories, asked) as search:
            for entry in search.entries():
                into.add(entry)
    except (OSError, ValueError) as error:
        unreadable(error)


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return visible(", ".join(listed[:_NAMED]) + more)


def _print_touches(found: list[Touch]) -> None:
    names = ("who", "sessions", "read", "write", "ddl", "admin", "refused", "failed", "open", "rows out", "rows changed")
    rows = []
    for each in found:
        models = f" ({', '.join(sorted(each.models))})" if each.models else ""
        failed = f"{each.failed} ({each.unresolved} unresolved)" if each.unresolved else str(each.failed)
        did = (str(each.statements[name]) for name in ("read", "write", "ddl", "admin"))
        who = visible(" > ".join((each.user, *each.actors)) + models)
        rows.append(
            [
                who,
                str(len(each.sessions)),
                *did,
                str(each.refused),
                failed,
                str(each.running),
                str(each.rows_out),
                str(each.rows_changed),
                _some(each.tables),
                timestamp(each.first_ns)[:19] + "Z",
                timestamp(each.last_ns)[:19] + "Z",
            ]
        )
    print_table((*names, "tables", "first", "last"), rows, ("first", "last"))


def _print_movement(movement: Movement) -> None:
    click.echo(f"{movement.statements} statements; out: {movement.rows} rows, {movement.nbytes} bytes of results")
    if tables := movement.tables():
        click.echo()
        figures = ([visible(each.table), *map(str, (each.rows, each.nbytes, each.statements))] for each in tables)
        print_table(("out of table", "rows", "bytes", "statements"), figures)
    if columns := movement.columns():
        click.echo()
        names = ("table", "column", "rows clear", "rows masked", "rows unlabelled", "bytes", "labels", "masks")
        print_table(names, map(_moved, columns))
    if movement.into:
        click.echo()
        into = [[visible(table), str(rows) if rows >= 0 else "not told"] for table, rows in sorted(movement.into.items())]
        print_table(("into table", "rows"), into)


def _moved(each: Moved) -> list[str]:
    figures = (each.clear_rows, each.masked_rows, each.unlabelled_rows, each.nbytes)
    return [visible(each.table), visible(each.column), *map(str, figures), _some(each.labels), _some(each.masks)]


def _grounds(context: click.Context, grounds: Grounds) -> dict[str, Any]:
    """The answer as `--json` prints it; looks for when the policies came into force, and for what is said of approvals."""
    who = grounds.who
    assert who is not None
    force = InForce(grounds.host)
    _all(context, Filter(kinds=("policy", "system"), until=grounds.last_ns + 1), force)
    policies = []
    for (generation, digest), used in grounds.policies.items():
        begun = force.since(digest, used)
        policies.append(
            {
                "generation": generation,
                "hash": digest,
                "in_force_since": timestamp(begun) if begun else None,
                "first_used": timestamp(used),
            }
        )
    return {
        "session": who.session,
        "user": who.user,
        "actor": list(who.actors),
        "groups": list(who.groups),
        "issuer": who.issuer,
        "token_id": who.token_id,
        "database": who.database,
        "environment": who.environment,
        "role": who.role,
        "grants": [
            {"name": name, "granted_by": by, "reason": reason, "statements": count}
            for (name, by, reason), count in grounds.grants.items()
        ],
        "policies": policies,
        "approvals": [_approval(context, name, used) for name, used in grounds.approvals.items()],
        "rules": grounds.rules,
        "refused": grounds.refused,
    }


def _approval(context: click.Context, name: str, used: list[str]) -> dict[str, Any]:
    said: list[dict[str, Any]] = []
    try:
        with searching(audit_directories(context), Filter(kinds=("approval",), approval=name)) as search:
            said = [{"time": timestamp(entry.time_ns), "id": entry.id, **entry.data} for entry in search.entries()]
    except (OSError, ValueError) as error:
        unreadable(error)
    return {"approval": name, "intents": used, "records": said}


def _print_grounds(answer: dict[str, Any]) -> None:
    through = f" through {' > '.join(answer['actor'])}" if answer["actor"] else ""
    where = f"{answer['database']} ({answer['environment']}) as {answer['role']}"
    click.echo(visible(f"{answer['user']}{through} on {where}"))
    click.echo(visible(f"signed in by token {answer['token_id'] or '-'} of {answer['issuer'] or '-'}"))
    click.echo(visible(f"groups: {', '.join(answer['groups']) or 'none'}"))
    for grant in answer["grants"]:
        by, reason = grant["granted_by"] or "nobody named", grant["reason"] or "no reason named"
        click.echo(visible(f"grant {grant['name']}: granted by {by}, {reason}; {grant['statements']} statements"))
    if not answer["grants"]:
        click.echo("no statement ran under a grant")
    for policy in answer["policies"]:
        since = policy["in_force_since"] or "a time that is not on record"
        click.echo(f"policy generation {policy['generation']}, hash {policy['hash']}: in force since {since}")
    for approval in answer["approvals"]:
        click.echo(visible(f"approval {approval['approval']}: used by {len(approval['intents'])} statements"))
        for record in approval["records"]:
            click.echo(visible(f"  {plain(record)}"))
    for rule, count in answer["rules"].items():
        click.echo(visible(f"rule {rule}: {count} statements"))
    click.echo(f"{answer['refused']} statements were refused or held")
