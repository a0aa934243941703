"""How sure a label is and why, for the columns of a catalogue while it is made; and which columns' rows are looked into."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.classify.content import Finding
from gateway.classify.evidence import Told, Verdict, can_hide, decide

Place = tuple[int, str]  # a table's oid, a column's name
Findings = Mapping[int, Mapping[str, Finding]]  # what samples showed, by table and column; columns without a value left out

_SYSTEM = Verdict(None, 1.0, ("system",), False)
_CARRIED = ("what came into it",)
_NOTHING = Verdict(None, 0.0, (), False)
_SHARED = 0.9  # of the confidence of the column that a label comes from


@dataclass(slots=True)
class Verdicts:
    """`own`: what a column says by itself. `reasons`: why it has another label than that. `hiding`: it may hold what no
    label tells of, as far as its type goes. `silent`: it is known otherwise that nothing is in it."""

    findings: Findings
    own: dict[Place, Verdict] = field(default_factory=dict)
    reasons: dict[Place, tuple[float, tuple[str, ...]]] = field(default_factory=dict)
    hiding: set[Place] = field(default_factory=set)
    silent: set[Place] = field(default_factory=set)

    def note(self, oid: int, told: Told) -> str | None:
        """Decides by what the column says and its sample showed."""
        verdict = decide(told, self.findings.get(oid, {}).get(told.name))
        self.own[oid, told.name] = verdict
        if can_hide(told):
            self.hiding.add((oid, told.name))
        return verdict.label

    def correct(self, place: Place, label: str | None) -> None:
        """The policy's word."""
        self.reasons[place] = (1.0, ("policy",))
        if label is None:
            self.silent.add(place)

    def derive(self, place: Place, source: Place, words: str) -> None:
        """The label comes from another column."""
        confidence = self.reasons[source][0] if source in self.reasons else self.own.get(source, _NOTHING).confidence
        self.reasons[place] = (round(_SHARED * confidence, 2), (words,))

    def share_scan(self, places: Iterable[Place]) -> None:
        """Columns that are one column, as those of partitions: clean where one is and no other that was seen is not."""
        family = list(places)
        seen = [place for place in family if place[1] in self.findings.get(place[0], {})]
        if seen and not any(self.own[place].scan for place in seen if place in self.own):
            self.silent.update(family)

    def of(self, place: Place, label: str | None) -> Verdict:
        """The last word on a table's column that has this label in the end."""
        own = self.own.get(place, _SYSTEM)
        confidence, evidence = self.reasons.get(place, (own.confidence, own.evidence))
        if label is None:
            return Verdict(None, 0.0, (), own.scan and place not in self.silent)
        if place not in self.reasons and own.label != label:
            return Verdict(label, 1.0, _CARRIED if place in self.own else _SYSTEM.evidence, False)
        return Verdict(label, confidence, evidence, False)

    def of_view(self, place: Place, label: str | None, bases: Iterable[Place] | None, scanned: set[Place]) -> Verdict:
        """The last word on a view's column. `bases`: the table columns it is made of (None: not known); `scanned`: all
        columns whose rows are looked into."""
        if label is not None:
            confidence, evidence = self.reasons.get(place, (_SHARED, ("what it is made of",)))
            return Verdict(label, confidence, evidence, False)
        if place in self.silent or place not in self.hiding:
            return _NOTHING
        return Verdict(None, 0.0, (), bases is None or not scanned.isdisjoint(bases))
