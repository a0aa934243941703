"""Payloads of NOTIFY on their way to a listener who does not see everything: an application's trigger may send rows."""

import re

from gateway.classify.system import SYSTEM_SCHEMAS
from gateway.masking.basis import MaskBasis
from gateway.masking.masks import REDACTED
from gateway.masking.opaque import hides
from parser.messages import frame as build

PAYLOAD_BYTES_MAX = 8000  # the server's own limit (manual, NOTIFY)
_DIGITS_MAX = 8  # of a number that is an id rather than somebody's
_UUID = re.compile(rb"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])")
_WORDS = re.compile(rb"[A-Za-z]+|[0-9]+")
_NAMES = re.compile(rb"\w+")
_PLAIN = re.compile(rb"[\x20-\x7e\t\r\n]*")
_DATE = re.compile(rb"(?:1[89]|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_PIECES = re.compile(rb"[0-9][-./ +()]+[0-9]")  # a number in pieces: 901-11-1111, 1981-01-11, 10.0.0.1, 91111.11
# What queues, caches and change feeds say beside names of tables and columns.
_SAID = frozenset(
    b"""a an the and or of to by for in on at is no not new old id ids key keys pk op operation action event type kind table
    schema row rows record count total n number seq sequence version ts time at status state queue job jobs task tasks
    channel topic message insert inserted update updated delete deleted truncate create created change changed changes
    modify modified upsert remove removed add added set get put post patch start started starting stop stopped begin end
    ended finish finished done complete completed ready pending waiting queued running run failed fail error ok success
    retry retried cancel cancelled canceled abort expire expired invalidate invalidated refresh refreshed reload reloaded
    flush flushed clear cleared sync synced load loaded ping pong hello wake wakeup tick heartbeat alive cache config
    settings policy true false null none all any yes x y z payload public""".split()
)


class Listening:
    """What one listener may read of payloads. Built once for rights and a catalogue, and asked for each notification."""

    __slots__ = ("_hidden", "_open", "_words")

    def __init__(self, basis: MaskBasis) -> None:
        self._open = basis.everything or not hides(basis)
        words: set[bytes] = set(_SAID)
        hidden: set[bytes] = set()
        for table in () if self._open else basis.catalog.tables.values():
            if table.schema in SYSTEM_SCHEMAS:
                continue
            for name in (table.schema, table.name, *table.by_name):
                words.update(word.lower() for word in _WORDS.findall(name.encode()))
            for column in table.columns:
                source = basis.source(table, column)
                if source is not None and not basis.visible(source):
                    hidden.add(column.name.lower().encode())
        self._words = frozenset(words)
        self._hidden = frozenset(hidden)

    def passable(self, payload: bytes) -> bool:
        """Whether a payload can hold no value that is hidden: ids, UUIDs, names of the catalogue, the words of queues and
        caches, in whatever punctuation, JSON too; nothing that names a hidden column. Total."""
        if self._open or not payload:
            return True
        if len(payload) > PAYLOAD_BYTES_MAX or _PLAIN.fullmatch(payload) is None:
            return False
        if not self._hidden.isdisjoint(_NAMES.findall(payload.lower())):
            return False
        rest = _UUID.sub(b" ", payload)
        return _PIECES.search(rest) is None and all(self._harmless(word) for word in _WORDS.findall(rest))

    def _harmless(self, word: bytes) -> bool:
        if word.isdigit():
            return len(word) <= _DIGITS_MAX and _DATE.fullmatch(word) is None
        return word.lower() in self._words

    def heard(self, frame: bytes) -> bytes | None:
        """A whole NotificationResponse as the listener may have it; None: as it is."""
        channel_end = frame.find(b"\0", 9)
        payload = frame[channel_end + 1 : -1]
        if channel_end < 0 or self.passable(payload):
            return None
        return build(b"A", frame[5 : channel_end + 1] + REDACTED + b"\0")
