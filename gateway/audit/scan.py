"""Searching a segment: only what a question may be about is decoded and joined.

Numbers of sessions and statement shapes that cannot match are learned from their definitions; intents and outcomes that name
them are passed over by two numbers of their payload. Sequence numbers prove the walk from frame to frame; the checksum of
every frame whose content is used is checked.
"""

import struct
from typing import Final

import google_crc32c
import msgspec

from gateway.audit import records
from gateway.audit.filters import Filter
from gateway.audit.query import Entry, Joiner
from gateway.audit.segment import FRAME_HEAD, FRAME_LIMIT, Damage, Frame, read_header

_HEAD: Final = struct.Struct("<IIBQQ")
_crc = google_crc32c.value
_SESSION: Final = records.SESSION
_RULING: Final = records.RULING
_INTENT: Final = records.INTENT
_OUTCOME: Final = records.OUTCOME
_ROWS: Final = records.ROWS
_LOST: Final = records.LOST
_CARRIED: Final = records.CARRIED
_OF_INTENT: Final = frozenset((records.OUTCOME, records.ROWS))
_STRUCTURAL: Final = frozenset((records.SESSION, records.RULING, records.COLUMNS, records.CARRIED, records.LOST))
_SILENT: Final = frozenset((records.CHECKPOINT, records.CLOSED))


_numbers = msgspec.msgpack.Decoder(records.IntentNumbers).decode
_of = msgspec.msgpack.Decoder(records.OutcomeNumber).decode
_carried = msgspec.msgpack.Decoder(records.Carried).decode
_number = msgspec.msgpack.Decoder(records.Definition).decode


class Scan:
    """One segment, fed in pieces of any size: the entries that `asked` matches, in order. Stops at `damage`."""

    def __init__(self, asked: Filter) -> None:
        self.damage: Damage | None = None
        self.frames = 0  # walked over
        self._asked = asked
        self._joiner = Joiner()
        self._begun = False
        self._rest = b""
        self._at = 0  # the file's byte that `_rest` begins with
        self.seq = 0  # of the last frame
        self._sessions: set[int] = set()  # numbers of sessions and statements that may match
        self._rulings: set[int] = set()
        self._place_sessions: set[int] = set()
        self._place_rulings: set[int] = set()
        self._held: dict[int, list[Frame]] = {}  # intents, and their rows, that are of interest only if their outcome is
        self._needles = needles(asked)
        of_events = not asked.kinds or bool(set(asked.kinds) - {"intent", "outcome"})
        self._events = of_events and not (asked.wants_ruling or asked.wants_outcome or asked.tags or asked.ticket)
        self._statements = not asked.kinds or "intent" in asked.kinds or "outcome" in asked.kinds
        self._until = asked.until or (1 << 63)

    def feed(self, data: bytes) -> list[Entry]:
        """Matches in the file's next bytes. Raises ValueError for a frame that does not hold what its type says."""
        if self.damage is not None:
            return []
        data = self._rest + data if self._rest else data
        at = 0
        if not self._begun:
            found = read_header(data)
            if found is None or isinstance(found, Damage):
                self.damage, self._rest = found, data
                return []
            header, at = found
            self._begun = True
            self._joiner.begin(header)
        entries: list[Entry] = []
        end = self._walk(data, at, entries)
        self._at += end
        self._rest = data[end:]
        return entries

    def _walk(self, data: bytes, at: int, entries: list[Entry]) -> int:
        """Goes over the whole frames from `at` on; returns where it stopped."""
        size, last, count = len(data), self.seq, self.frames
        unpack, held, pending, until = _HEAD.unpack_from, self._held, self._joiner.pending, self._until
        while size - at >= FRAME_HEAD:
            crc, length, kind, seq, time_ns = unpack(data, at)
            if length == 0 or length > FRAME_LIMIT:
                self.damage = Damage(self._at + at, "zero-filled" if length == 0 else "frame length out of range")
                break
            end = at + FRAME_HEAD + length
            if end > size:
                break
            if seq != last + 1 and last and kind != _LOST:
                self.damage = Damage(self._at + at, "a record's number does not follow")
                break
            if kind in _OF_INTENT:
                wanted = bool(pending or held) and time_ns < until and self._is_open(data[at + FRAME_HEAD : end])
            elif kind == _INTENT:
                wanted = bool(self._sessions and self._rulings) and time_ns < until
                wanted = wanted and self._may_match(data[at + FRAME_HEAD : end])
            else:
                wanted = kind in _STRUCTURAL or (kind not in _SILENT and self._events)
            if wanted:
                if _crc(data[at + 4 : end]) != crc:
                    self.damage = Damage(self._at + at, "frame checksum does not match")
                    break
                payload = data[at + FRAME_HEAD : end]
                self._take(Frame(kind, seq, time_ns, payload, self._at + at, self._at + end), entries)
            last, at = seq, end
            count += 1
        self.seq, self.frames = last, count
        return at

    def _may_match(self, payload: bytes) -> bool:
        """Whether an intent is of interest, by the little of it that tells; one that cannot be read is: its checksum or the
        joiner then says so."""
        try:
            numbers = _numbers(payload)
        except ValueError:
            return True
        if not self._statements or not self._are_wanted(numbers.session, numbers.ruling):
            return False
        return not self._needles or all(needle in payload for needle in self._needles)

    def _are_wanted(self, session: int, ruling: int) -> bool:
        """Whether an intent of this session and this statement may match: they need not be asked again."""
        if session not in self._sessions or ruling not in self._rulings:
            return False
        return not self._asked.place or session in self._place_sessions or ruling in self._place_rulings

    def _is_open(self, payload: bytes) -> bool:
        """Whether an outcome, or rows, belong to an intent that is of interest."""
        try:
            number = _of(payload).intent
        except ValueError:
            return True
        return number in self._joiner.pending or number in self._held

    def _take(self, frame: Frame, entries: list[Entry]) -> None:
        kind, joiner, asked = frame.kind, self._joiner, self._asked
        if kind == _INTENT and asked.wants_outcome:
            self._held[frame.seq] = [frame]
            return
        if kind == _ROWS and self._held:
            held = self._held.get(_of(frame.payload).intent)
            if held is not None:
                held.append(frame)
                return
        if kind == _OUTCOME and self._held and not self._is_wanted(frame):
            return
        if kind == _CARRIED:
            said = _carried(frame.payload)
            if not self._are_wanted(said.session, said.ruling):
                return
        entry = joiner.read(frame)
        if entry is not None and (asked.record_matches(entry) if entry.ruling is not None else asked.matches(entry)):
            entries.append(entry)
        if kind in (_SESSION, _RULING):
            self._judge(kind, _number(frame.payload).number)
        elif kind == _LOST and self._held:
            lost: records.Lost = records.decode(kind, frame.payload)
            for seq in [each for each in self._held if lost.first <= each <= lost.last]:
                del self._held[seq]

    def _is_wanted(self, frame: Frame) -> bool:
        """Joins the held intent of an outcome that is asked for; forgets it otherwise."""
        said: records.Outcome = records.decode(_OUTCOME, frame.payload)
        held = self._held.pop(said.intent, None)
        if held is None:
            return True  # carried over
        columns = self._joiner.card(records.COLUMNS, said.columns) if said.columns else None
        if self._asked.wants_outcome and not self._asked.outcome_matches(said, columns):
            return False
        for each in held:
            self._joiner.read(each)
        return True

    def _judge(self, kind: int, number: int) -> None:
        """Whether records that name this definition may match. Conditions on what stands in a definition need no more."""
        info, asked = self._joiner.card(kind, number), self._asked
        if kind == _SESSION:
            if asked.session_matches(info):
                self._sessions.add(number)
            if asked.place and asked.is_place(info, None):
                self._place_sessions.add(number)
        else:
            if asked.ruling_matches(info):
                self._rulings.add(number)
            if asked.place and asked.is_place(None, info):
                self._place_rulings.add(number)


def needles(asked: Filter) -> list[bytes]:
    """Bytes that stand in the payload of each intent that matches: MessagePack has texts in UTF-8, digests as they are."""
    texts = [asked.approval, asked.ticket, *(value for _, value in asked.tags)]
    found = [each.encode("utf-8", "replace") for each in texts if each]
    return [*found, asked.literal] if asked.literal else found
