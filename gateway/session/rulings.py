"""What the policy says of a text in this session: its rulings in the scope of now, names and estimates put in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.audit.literals import DIGEST_BYTES
from gateway.errors import Refused
from gateway.policy.decision import refusal
from gateway.session import acting, paths
from gateway.session.inflight import ROWS_UNKNOWN, Ask, Statement, Wanted
from parser.facts import LITERALS_MAX, Facts

if TYPE_CHECKING:
    from gateway.scope import Ruling, Script
    from gateway.session.session import Session

_RUNNING: Final = frozenset({Ask.QUERY, Ask.EXECUTE, Ask.FUNCTION})
_UNKNOWN_FACTS: Final = Facts(
    kinds=("UNKNOWN",),
    effects=frozenset({"read", "write", "ddl", "privilege", "session", "unsafe-io", "procedural"}),
    complete=False,
    reason="it runs a statement or cursor that this session did not define in plain sight",
)


def fresh(s: Session) -> None:
    """Has the session's scope be that of now. Raises Refusal when the right behind it is gone."""
    scope = s.scope
    own = s.temporaries.own
    if own.names and _may_be_taken_back(s):
        own = own.within(s.temporaries.lasting)
    if (
        scope.stale
        or s.now >= s.until
        or scope.strings_conform is not s.conforming
        or scope.made is not s.made
        or scope.moved is not s.moved
        or (scope.own is not own and scope.own != own)
        or (scope.search_path is not s.search_path and scope.search_path != s.search_path)
    ):
        s.own = own
        s.scope = s.rescope(s)
        s.made, s.moved = s.scope.made, s.scope.moved
        s.search_path = s.scope.search_path
        if s.temporaries.outdated(s.scope):
            fresh(s)


def _may_be_taken_back(s: Session) -> bool:
    """Whether something outstanding may end the transaction, and the next text be run all the same. A failure within its own
    pipeline would have the server skip it."""
    return any(item.epoch != s.epoch or item.ask in _RUNNING for item in s.queue)


def script_of(s: Session, sql: bytes) -> Script:
    """The rulings over a text as the server would read it now."""
    fresh(s)
    if s.encoding_safe and not s.lexing_doubt:
        return declared(s, s.scope.script(sql))
    reason = "the session's client_encoding or standard_conforming_strings does not let its text be read safely"
    return declared(s, s.scope.unread(reason, ""))


def declared(s: Session, script: Script) -> Script:
    """The rulings under what the session has declared."""
    said = s.said.now
    script = script if said is script.said else s.scope.declaring(script, said)
    return script if s.objection is None else acting.objected(script, s.objection)


def with_parameters(s: Session, statement: Statement, values: bytes) -> tuple[bytes, ...]:
    """The digests of a statement's literals and, behind them, of its parameters. `values`: of a Bind, behind both names."""
    own = statement.literals
    if len(own) > 1:
        return own
    room = LITERALS_MAX * DIGEST_BYTES
    text = own[0] if own else b""
    if len(text) >= room:
        return own
    return ((text + s.scope.parameters(values, statement.types or b"", statement.described))[:room],)


def resolve(s: Session, script: Script) -> tuple[tuple[Ruling, ...], Refused | None]:
    """The rulings of a text that runs named things: EXECUTE and FETCH become what they run. Raises Ambiguous."""
    prepared: dict[str, Facts] = {}
    cursors: dict[str, Facts] = {}
    rulings: list[Ruling] = []
    opaque = False  # code before it in the text may have made and ended any name
    for ruling in script.rulings:
        named = ruling.facts.named
        if named is not None:
            inner = ruling.facts.inner
            if named.action == "prepare" and inner is not None:
                prepared[named.name] = inner
            elif named.action == "declare" and inner is not None:
                cursors[named.name] = inner
            elif named.action == "execute":
                known = None if opaque else prepared.get(named.name) or s.names.prepared(named.name, s.scope)
                ruling = s.scope.resolve(ruling.facts, known or _UNKNOWN_FACTS, ruling.said)
            elif named.action == "fetch":
                known = None if opaque else cursors.get(named.name) or s.names.cursor(named.name)
                ruling = s.scope.resolve(ruling.facts, known or _UNKNOWN_FACTS, ruling.said)
        opaque = opaque or not ruling.facts.complete or "procedural" in ruling.facts.effects
        rulings.append(ruling)
    return tuple(rulings), refusal([one.decision for one in rulings])


def refused_at_parse(script: Script) -> Refused | None:
    """The refusal at Parse: what EXECUTE and FETCH run is only known when they do."""
    for ruling in script.rulings:
        named = ruling.facts.named
        if ruling.refused is not None and (named is None or named.action not in ("execute", "fetch")):
            return ruling.refused
    return None


def moves(s: Session, rulings: tuple[Ruling, ...]) -> bool:
    """Whether what follows can only be read once these statements are answered, for what they change in the session."""
    return paths.moves(s, rulings) or (s.said.moved and any(s.said.taken_back(ruling.facts) for ruling in rulings))


def warn(s: Session, rulings: tuple[Ruling, ...]) -> None:
    """Tells the client what guardrails warn of."""
    for ruling in rulings:
        if ruling.decision.verdict == "warn":
            s.warn(ruling.decision.message)


# --- the planner's estimates ---


def wants_estimate(rulings: tuple[Ruling, ...]) -> bool:
    """Whether a rule could be stricter once the number of rows is known."""
    return any(ruling.decision.wants_estimate for ruling in rulings)


def asks_estimate(
    s: Session,
    rulings: tuple[Ruling, ...],
    sql: bytes,
    types: bytes | None = None,
    values: bytes | None = None,
) -> bool:
    """Whether the frame must wait for the planner's answer, which is asked for once. Only the text of one statement can be
    estimated; that of several, and of what runs by name, counts as unknown."""
    if s.estimate is not None:
        return False
    if len(rulings) != 1 or not sql or not _planned_alike(s, rulings[0].facts):
        s.estimate = ROWS_UNKNOWN
        return False
    path = ", ".join('"' + name.replace('"', '""') + '"' for name in s.search_path or ())
    s.wanted = Wanted(sql, types, values, (("search_path", path),))
    return True


def _planned_alike(s: Session, facts: Facts) -> bool:
    """Whether another connection with the session's search_path would plan the same statement over the same tables."""
    if facts.named is not None or s.search_path is None or s.user_schema is None:
        return False
    relations = (*facts.reads, *facts.writes)
    return not any(
        one.schema == "pg_temp" or one.name in s.moved or (one.schema is None and one.name in s.made) for one in relations
    )


def estimated(s: Session, rulings: tuple[Ruling, ...]) -> tuple[tuple[Ruling, ...], Refused | None]:
    """The rulings now that the estimate is there. Where it is unknown and the rows can be counted as they change, a limit on
    them takes its place."""
    rows, s.estimate = s.estimate, None
    assert rows is not None
    if rows == ROWS_UNKNOWN and len(rulings) == 1 and rulings[0].decision.counted_instead is not None:
        s.counted = rulings[0].decision.counted_instead
        rows = 0
    decided = tuple(s.scope.estimated(ruling, rows) for ruling in rulings)
    return decided, refusal([one.decision for one in decided])
