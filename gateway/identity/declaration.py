"""What somebody says that they are about to do: the reason, the tables, the effect, the ticket.

It comes from the token (claim `sluice_intent`), from the session (`SET sluice.reason`), or from a statement's own comment
(sqlcommenter keys `sluice_reason`, `sluice_tables`, `sluice_effect`, `sluice_ticket`). Nothing here is believed: it is put
on record, and compared with the facts (`gateway.policy.intents`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from parser.facts import Facts

SETTING: Final = "sluice.reason"
CLAIM: Final = "sluice_intent"
TAG_PREFIX: Final = "sluice_"
EFFECTS: Final = ("read", "write", "ddl", "admin")  # the weakest first
TEXT_BYTES_MAX: Final = 1024  # of all that one declaration says
TABLES_MAX: Final = 64
_FIELDS: Final = ("reason", "tables", "effect", "ticket")
_WORD: Final = re.compile(r"(tables|effect|ticket)=(\S+)(?:\s+|\Z)")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What was declared; an empty field was not. `tables` as people write them ("public.orders", "orders", also with * and
    ?), `effect` one of EFFECTS. `source`: the strongest that said anything: token, session or statement."""

    reason: str = ""
    tables: tuple[str, ...] = ()
    effect: str = ""
    ticket: str = ""
    source: str = ""
    under: "Declaration | None" = None  # the token's, beneath what the session says


def read_text(text: str, source: str = "session") -> Declaration | None:
    """A reason in words, before it words like `tables=public.orders,public.customers effect=read ticket=T-12`. None where
    nothing is said. What is no such word, and an effect that there is not, belong to the reason."""
    said: dict[str, str] = {}
    text = _bounded(text)
    at = 0
    while found := _WORD.match(text, at):
        key, value = found.groups()
        if key in said or (key == "effect" and value.lower() not in EFFECTS):
            break
        said[key] = value
        at = found.end()
    return _made(said | {"reason": text[at:]}, source)


def of_tags(tags: Sequence[tuple[str, str]]) -> Declaration | None:
    """What the comments of a statement declare."""
    said = {key.removeprefix(TAG_PREFIX): value for key, value in tags if key.startswith(TAG_PREFIX)}
    return _made({key: _bounded(said.get(key, "")) for key in _FIELDS}, "statement") if said else None


def of_claim(value: Any) -> Declaration | None:
    """The token's claim: a text as `read_text` takes it, or an object of reason, tables (a list, or a text with commas),
    effect and ticket. Raises ValueError for anything else."""
    if value is None:
        return None
    if isinstance(value, str):
        return read_text(value, "token")
    if not isinstance(value, dict):
        raise ValueError("it is neither a text nor an object")  # noqa: TRY004 - one refusal for all that is unreadable
    said = {key: value.get(key) for key in _FIELDS}
    if isinstance(said["tables"], list) and all(isinstance(one, str) for one in said["tables"]):
        said["tables"] = ",".join(said["tables"])
    if any(one is not None and not isinstance(one, str) for one in said.values()):
        raise ValueError("its reason, tables, effect and ticket are not texts")
    if said["effect"] and said["effect"].lower() not in EFFECTS:
        raise ValueError("its effect is none of read, write, ddl and admin")
    return _made({key: _bounded(one or "") for key, one in said.items()}, "token")


def combined(stronger: Declaration | None, weaker: Declaration | None) -> Declaration | None:
    """Both, where the stronger one's word counts field by field."""
    if stronger is None or weaker is None:
        return weaker if stronger is None else stronger
    return Declaration(
        stronger.reason or weaker.reason,
        stronger.tables or weaker.tables,
        stronger.effect or weaker.effect,
        stronger.ticket or weaker.ticket,
        stronger.source,
        _token(weaker),
    )


def following(facts: Facts, said: Declaration | None) -> Declaration | None:
    """What is declared once the statement has run, where this was before. RESET and DISCARD leave the token's word."""
    first = facts.kinds[0]
    if first.startswith(("CREATE", "ALTER")):  # a setting of a function, a role or a database
        return said
    for setting in facts.settings:
        if setting.name == SETTING:
            said = combined(read_text(setting.value or ""), _token(said))
        elif setting.name == "*" and first.startswith(("RESET", "DISCARD")):
            said = _token(said)
    return said


def _token(said: Declaration | None) -> Declaration | None:
    return said if said is None or said.source == "token" else said.under


def _made(said: dict[str, str], source: str) -> Declaration | None:
    effect = said.get("effect", "").strip().lower()
    tables = tuple(dict.fromkeys(one for part in said.get("tables", "").split(",") if (one := part.strip())))
    made = Declaration(
        said.get("reason", "").strip(),
        tables[:TABLES_MAX],
        effect if effect in EFFECTS else "",
        said.get("ticket", "").strip(),
        source,
    )
    return made if made.reason or made.tables or made.effect or made.ticket else None


def _bounded(text: str) -> str:
    """One line of at most TEXT_BYTES_MAX bytes, cut at a character."""
    line = "".join(char if char.isprintable() else " " for char in text[:TEXT_BYTES_MAX])
    return line.encode("utf-8", "replace")[:TEXT_BYTES_MAX].decode("utf-8", "ignore")
