"""Limited sign-ins on record, in bulk."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.audit.defined import SessionCard
from workers import limited
from workers.limited import ADDRESSES_MAX, OTHERS, LimitedSignIns


@dataclass
class Notes:
    """Stands where the trail would."""

    seen: list[tuple[str, int]] = field(default_factory=list)

    def note(self, audit: object, what: str, card: SessionCard, more: dict[str, Any]) -> None:
        assert (audit, what) == (self, "sign-ins limited")
        self.seen.append((card.info.address, more["count"]))


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    made = Notes()
    monkeypatch.setattr(limited, "note", made.note)
    return made


def test_one_record_a_second_and_address_tells_how_many(notes: Notes) -> None:
    counts = LimitedSignIns(notes)  # type: ignore[arg-type]
    for port in range(300):
        counts.add(f"10.0.0.1:{port}", 5.0)
    counts.add("10.0.0.2:1", 5.9)
    counts.put(5.99)
    assert notes.seen == []
    counts.put(6.0)
    counts.put(60.0)
    assert notes.seen == [("10.0.0.1", 300), ("10.0.0.2", 1)]
    counts.add("10.0.0.1:9", 61.0)
    counts.put(61.1)
    assert len(notes.seen) == 2
    counts.put(61.1, all_of_them=True)
    assert notes.seen[2:] == [("10.0.0.1", 1)]


def test_addresses_beyond_a_thousand_are_counted_together(notes: Notes) -> None:
    counts = LimitedSignIns(notes)  # type: ignore[arg-type]
    for number in range(ADDRESSES_MAX + 50):
        counts.add(f"10.0.{number >> 8}.{number & 255}:1", 0.0)
    counts.put(1.0)
    assert len(notes.seen) == ADDRESSES_MAX + 1
    assert notes.seen[-1] == (OTHERS, 50)
