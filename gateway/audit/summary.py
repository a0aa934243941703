"""The figures of a period and what was proven of the trail, put together as the report that people and tools read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.audit.controls import CATALOGUE, NAMES, Framework
from gateway.audit.figures import HOUR_NS, KINDS, Figures, Noticed
from gateway.audit.query import timestamp

TOP: Final = 12  # names in a table
_BY_HOUR_NS: Final = 72 * HOUR_NS  # periods up to here are plotted by hour, longer ones by day
_DAY_NS: Final = 24 * HOUR_NS
UNKNOWN: Final = "not known"


@dataclass(slots=True)
class Evidence:
    """What was found out beside the records: by `sluice audit verify`, from the log of heads, from the policy."""

    result: str = ""  # good | gap | tampered | unreadable; empty where nothing was verified
    chains: int = 0
    verified: int = 0  # records
    findings: list[dict[str, Any]] = field(default_factory=list)
    tree_size: int = 0  # entries under the newest signed head; 0: nothing is signed
    signed_ns: int = 0
    keys: list[str] = field(default_factory=list)  # raw public keys that signed, in hexadecimal
    compared: bool | None = None  # whether every signature was compared with a key that the reader holds
    checkpoints: int = 0
    seals: int = 0
    pruned: int = 0
    alarms: list[str] = field(default_factory=list)
    head_problems: list[str] = field(default_factory=list)
    begins_ns: int = 0  # of the oldest segment that is there
    granted: list[str] | None = None  # names of the policy's grants; None where no policy was at hand


def report(framework: Framework, figures: Figures, evidence: Evidence, made_ns: int) -> dict[str, Any]:
    """The whole report as plain data: what `--json` prints and what the page shows."""
    named = _named(figures, evidence)
    terms = figures.terms
    return {
        "framework": framework,
        "title": NAMES[framework],
        "since": timestamp(terms.since_ns),
        "until": timestamp(terms.until_ns),
        "made": timestamp(made_ns),
        "verdict": verdict(figures, evidence),
        "terms": {
            "working_hours": f"Monday to Friday, {terms.opens:02d}:00 to {terms.closes:02d}:00, {terms.zone}",
            "bulk_rows": terms.bulk_rows,
        },
        "figures": named,
        "controls": [
            {
                "id": each.id,
                "title": each.title,
                "evidence": each.evidence,
                "not_covered": each.beyond,
                "figures": {name: named[name] for name in each.figures},
                "exceptions": {kind: figures.exceptions[kind] for kind in each.exceptions if figures.exceptions[kind]},
            }
            for each in CATALOGUE[framework]
        ],
        "tables": _tables(figures, evidence),
        "series": _series(figures),
        "exceptions": [
            {
                "kind": kind,
                "title": title,
                "count": figures.exceptions[kind],
                "records": [_exception(each) for each in figures.listed[kind]],
            }
            for kind, title in KINDS.items()
            if figures.exceptions[kind]
        ],
        "findings": evidence.findings,
        "alarms": evidence.alarms,
        "head_problems": evidence.head_problems,
        "incomplete": figures.crowded,
    }


def verdict(figures: Figures, evidence: Evidence) -> dict[str, str]:
    """What can be said of the trail itself in one line: `grade` is good, attention or bad."""
    whole = f"{evidence.verified:,} frames in {evidence.chains:,} chains verified"
    problems = len(evidence.findings) + len(evidence.head_problems)
    if evidence.result in ("tampered", "unreadable") or evidence.head_problems:
        return {"grade": "bad", "text": f"The trail is not whole (findings: {problems}). Do not rely on this report."}
    if evidence.alarms:
        return {"grade": "bad", "text": "The notary raised the alarm: part of the trail was changed or went."}
    if not evidence.result:
        return {"grade": "attention", "text": "The trail was not verified for this report."}
    if evidence.result == "gap" or figures.exceptions["gap"]:
        return {"grade": "attention", "text": f"The trail has gaps that explain themselves; {whole}. See the exceptions."}
    if not evidence.tree_size:
        return {"grade": "attention", "text": f"The trail is whole as its chains tell it ({whole}), but nothing is signed."}
    by = "by the key at hand" if evidence.compared else "by a key that was not compared with one of yours (--pub)"
    return {"grade": "good", "text": f"The trail is whole: {whole}, signed up to {_told(evidence.signed_ns)} {by}."}


def _told(time_ns: int) -> str:
    """A time for people, to the second."""
    return timestamp(time_ns)[:19].replace("T", " ") + " UTC"


def _named(figures: Figures, evidence: Evidence) -> dict[str, Any]:
    """Every figure that a control may name."""
    counts, decisions, seen = figures.counts, figures.decisions, figures.exceptions
    unused = _unused(figures, evidence)
    return {
        "Records": figures.records,
        "Sessions": counts["sessions"],
        "Sessions of agents": counts["sessions of agents"],
        "Sessions signed in weakly": counts["sessions signed in weakly"],
        "Sessions closed": counts["sessions closed"],
        "Sign-ins refused": counts["sign-ins refused"],
        "People": len(figures.users),
        "Agents": len(figures.actors),
        "Databases": len(figures.databases),
        "Statements": counts["intents"],
        "Statements of agents": counts["by agents"],
        "Statements refused": decisions["deny"],
        "Statements held": decisions["hold"],
        "Statements out of hours": counts["out of hours"],
        "Intents": counts["intents"],
        "Outcomes": counts["outcomes"],
        "Intents without an outcome here": max(0, counts["intents"] - counts["outcomes"]),
        "Unresolved outcomes": figures.statuses["unresolved"],
        "Rows returned": counts["rows"],
        "Bytes returned": counts["bytes"],
        "Rows with masked columns": counts["rows of results with a masked column"],
        "Rows shown in clear, labelled": sum(figures.clear_rows.values()),
        "Bulk reads": seen["bulk"],
        "First accesses to a table": seen["first"],
        "Structure or rights changed": seen["privileged"],
        "Approval decisions": counts["approval decisions"],
        "Policy changes": seen["policy"],
        "Policy generations": len(figures.generations),
        "Grants used": len(figures.grants),
        "Grants not used": UNKNOWN if unused is None else len(unused),
        "Gaps in the trail": seen["gap"],
        "System events": counts["system events"],
        "Verification": evidence.result or "not verified",
        "Signed heads": f"{evidence.checkpoints:,} checkpoints, {evidence.seals:,} seals" if evidence.tree_size else "none",
        "Last signed head": _told(evidence.signed_ns) if evidence.tree_size else "none",
        "Signing key": "compared" if evidence.compared else "not compared" if evidence.tree_size else "none",
        "Pruned ranges": evidence.pruned,
        "Trail begins": _told(evidence.begins_ns) if evidence.begins_ns else UNKNOWN,
    }


def _unused(figures: Figures, evidence: Evidence) -> list[str] | None:
    return None if evidence.granted is None else sorted(set(evidence.granted) - set(figures.grants))


def _tables(figures: Figures, evidence: Evidence) -> dict[str, Any]:
    """The names behind the figures, the most frequent first."""
    return {
        "users": _top(figures.users),
        "agents": _top(figures.actors),
        "databases": _top(figures.databases),
        "kinds": _top(figures.kinds),
        "refused_users": _top(figures.refused_users),
        "rules": _top(figures.rules),
        "masked_labels": _top(figures.masked_rows),
        "clear_labels": _top(figures.clear_rows),
        "disclosed": [[label, user, rows] for (label, user), rows in figures.disclosed.most_common(TOP)],
        "statuses": _top(figures.statuses),
        "generations": _top(figures.generations),
        "grants": [
            {
                "name": name,
                "granted_by": use.granted_by,
                "reason": use.reason,
                "statements": use.statements,
                "users": len(use.users),
                "last": use.last,
            }
            for name, use in sorted(figures.grants.items(), key=lambda each: -each[1].statements)
        ],
        "grants_unused": _unused(figures, evidence),
        "signers": evidence.keys,
    }


def _top(counter: Counter[str]) -> list[list[Any]]:
    return [[name, count] for name, count in counter.most_common(TOP)]


def _series(figures: Figures) -> dict[str, Any]:
    """Statements by decision and rows by masking, over the whole period without holes: `unit` is hour or day."""
    terms = figures.terms
    by_hour = terms.until_ns - terms.since_ns <= _BY_HOUR_NS
    step, each = (HOUR_NS, 1) if by_hour else (_DAY_NS, 24)
    places = range(terms.since_ns // step, max(terms.since_ns, terms.until_ns - 1) // step + 1)
    statements: dict[int, Counter[str]] = {}
    for hour, counts in figures.hours.items():
        statements.setdefault(hour // each, Counter()).update(counts)
    days = range(terms.since_ns // _DAY_NS, max(terms.since_ns, terms.until_ns - 1) // _DAY_NS + 1)
    decisions: Sequence[str] = ("allow", "warn", "hold", "deny")
    return {
        "unit": "hour" if by_hour else "day",
        "times": [timestamp(place * step)[: 16 if by_hour else 10].replace("T", " ") for place in places],
        "statements": {one: [statements.get(place, Counter())[one] for place in places] for one in decisions},
        "days": [timestamp(day * _DAY_NS)[:10] for day in days],
        "rows": {
            name: [figures.rows_by_day.get(day, [0, 0])[which] for day in days]
            for which, name in enumerate(("masked", "clear"))
        },
    }


def _exception(each: Noticed) -> dict[str, str]:
    return {
        "id": each.id,
        "time": each.time,
        "who": each.who,
        "database": each.database,
        "what": each.what,
        "command": f"sluice audit show {each.id}",
    }
