"""What a statement that has gone through changes in the session: names, settings, what the catalogue does not show yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.masking.basis import moved_names
from gateway.session import acting
from parser.facts import Facts

if TYPE_CHECKING:
    from gateway.session.session import Session

_LEXING_SAFE: Final = {
    "standard_conforming_strings": frozenset({"on", "true", "yes", "1"}),
    "client_encoding": frozenset({"utf8", "utf-8", "unicode", "latin1", "sql_ascii"}),
}


def changed_by(s: Session, facts: Facts) -> None:
    """What a completed statement changes in the session."""
    if not facts.complete or "procedural" in facts.effects:
        s.names.forget_sql()  # it may have made and ended any name
    elif facts.named is not None:
        s.names.settle(facts)
        if s.lent is not None and facts.named.action == "deallocate":
            s.lent.clear()
    if "procedural" in facts.effects or ("ddl" in facts.effects and not _concerns_own(s, facts)):
        s.catalog_moved = True
    if not s.sees_all:
        _defined(s, facts)
    if facts.settings:
        if s.lent is not None:
            s.lent.local = True
        if s.acting is not None:
            acting.settled(s, s.acting, facts)
    for setting in facts.settings:
        if setting.name in ("role", "session_authorization"):
            s.user_schema = None
        elif setting.name == "*":
            if "DISCARD" in facts.kinds[0]:
                s.names.forget_statements()
            s.lexing_doubt = True
        else:
            name = "client_encoding" if setting.name == "names" else setting.name
            safe = _LEXING_SAFE.get(name)
            if safe is not None and (setting.value is None or setting.value.lower() not in safe):
                s.lexing_doubt = True


def _concerns_own(s: Session, facts: Facts) -> bool:
    """Whether it defines or changes temporary relations alone, which nobody else's catalogue needs."""
    if not facts.complete or any(relation.schema != "pg_temp" for relation in facts.creates):
        return False
    targets = facts.writes
    own = all(one.schema == "pg_temp" or (not one.schema and one.name in s.temporaries.own.names) for one in targets)
    return own and bool(targets or facts.creates)


def _defined(s: Session, facts: Facts) -> None:
    """Which names the catalogue does not know rightly after this statement."""
    renamed = any(kind.endswith(" RENAME TO") for kind in facts.kinds)
    own = renamed and any(relation.name in s.made for relation in facts.writes)
    made = {relation.name for relation in facts.creates if own or relation.schema == "pg_temp"}
    if not made <= s.made:
        s.made = s.made | made
    if "ddl" in facts.effects:
        changed = {relation.name for relation in facts.creates} | moved_names(facts)
        changed -= made | s.temporaries.own.names
        if not changed <= s.moved:
            s.moved = s.moved | changed
