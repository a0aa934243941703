"""A request in plain words, for channels that only tell: lines of name and text, never with a literal of the statement."""

import datetime
from typing import Final

from gateway.approvals.view import View, cut, plain

LINE_CHARACTERS_MAX: Final = 300
_STATES: Final = {
    "open": "waits for a decision",
    "approved": "approved",
    "denied": "denied",
    "expired": "expired: nobody decided in time",
    "withdrawn": "withdrawn",
}


def headline(view: View) -> str:
    """One line: what it is, and how it stands where it is decided."""
    asked = f"{plain(view.who, 80)}: {plain(view.title, 120)} on {plain(view.database, 63)}"
    return asked if view.state == "open" else f"{state(view)} - {asked}"


def state(view: View) -> str:
    """How it stands, and by whom."""
    said = _STATES[view.state]
    if view.state == "open" and view.given:
        return f"{view.given} of {view.needed} approvals given"
    return f"{said} by {plain(view.decided_by, 120)}" if view.decided_by else said


def lines(view: View) -> list[tuple[str, str]]:
    """What is to be known of it, each with its name; what is empty is left out."""
    found = [
        ("Requester", f"{view.who} ({view.issuer})"),
        ("Database", f"{view.database} ({view.environment})" if view.environment else view.database),
        ("Reason", view.reason),
        ("Ticket", view.ticket),
        ("Held by", ", ".join(view.rules)),
        ("Why", view.words),
        ("Tables", ", ".join(view.tables)),
        ("Outcome", "; ".join(view.outcome)),
        ("Personal data", ", ".join(view.labels)),
        ("Risk", f"{view.risk}: {view.risk_why}" if view.risk_why else view.risk),
        ("Locks", "its transaction keeps its locks while it waits" if view.in_transaction else ""),
        ("Approvers", ", ".join((*view.approver_users, *(f"group {one}" for one in view.approver_groups)))),
        ("Approvals", f"{view.given} of {view.needed} given" if view.needed > 1 else ""),
        ("Alike", f"{view.alike} alike wait" if view.alike > 1 else ""),
        ("Since the last", "; ".join(view.since_last)),
        ("Until", moment(view.until)),
        ("Request", view.id),
    ]
    if view.state != "open":
        found += [("Decision", state(view)), ("Words", view.decided_words)]
    return [(name, plain(text, LINE_CHARACTERS_MAX)) for name, text in found if text]


def shape(view: View, characters_max: int) -> str:
    """The statement without its values; line breaks stay, other control characters go."""
    return code(view.shape, characters_max)


def code(text: str, characters_max: int) -> str:
    """SQL for people's eyes."""
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in cut(text, characters_max))


def moment(seconds: float) -> str:
    """In UTC, to the second."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
