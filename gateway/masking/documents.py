"""Personal data inside documents: JSON, XML and hstore, whose keys tell as much as their values.

What goes out is a document of the same kind: a masked string is still a string, a masked number becomes one too, an
element keeps its tags. A document that cannot be read as what it should be is masked whole.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache

from gateway.classify import names
from gateway.masking.masks import REDACTED
from gateway.masking.numbers import Span

REDACTED_STRING = b'"[redacted]"'

_TEXT_OID = 25
_JSON_TOKEN = re.compile(
    rb'[ \t\r\n:]*("[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*|true|false|null|[{}\[\],])', re.DOTALL
)
_JSON_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_JSON_KEY = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"[ \t\r\n]*:', re.DOTALL)
_XML_TOKEN = re.compile(
    rb"<!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*>|</[^<>]+>|"
    rb"<[^\s<>/!?=]+(?:\s+[^\s=<>/]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*\s*/?>|[^<]+",
    re.DOTALL,
)
_XML_NAME = re.compile(rb"</?([^\s<>/]+)")
_XML_ATTRIBUTE = re.compile(rb"([^\s=<>/]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_XML_BARE = re.compile(rb"&(?!(?:#[0-9]+|#x[0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);)|[<>\"']")
_HSTORE_PAIR = re.compile(
    rb'"([^"\\]*(?:\\.[^"\\]*)*)"=>(?:"([^"\\]*(?:\\.[^"\\]*)*)"|NULL)(?:, |$)', re.DOTALL
)

Edit = tuple[int, int, bytes]  # begin, end, what stands there instead
Masked = tuple[bytes, list[str]]  # the new text, the labels found
_NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=8192)
def key_label(key: bytes, parent: bytes = b"", shown: frozenset[str] = _NONE) -> str | None:
    """The label of what stands under a key, inside what stands under `parent`. Free text has none, it is scanned as all is,
    and neither have values that are `shown`."""
    label = names.label(key.decode("utf-8", "replace"), parent.decode("utf-8", "replace"), _TEXT_OID)
    return None if label == "free_text" or label in shown else label


@lru_cache(maxsize=8192)
def telling(key: bytes) -> bool:
    """Whether a JSON document with such a key (as written) must be read: for its own sake, or for a name's below it."""
    plain = key.rstrip(b"\\")
    if not plain or b"\\" in plain:
        return True
    return key_label(plain) is not None or names.of_people(plain.decode("utf-8", "replace"))


def telling_keys(text: bytes) -> bool:
    """Whether any key of the JSON documents in a text is such a one. May be wrong where no document is, then for True."""
    return any(telling(key) for key in set(_JSON_KEY.findall(text)))


def telling_document(text: bytes) -> bool:
    """As `telling_keys`, quick, and for True also where what looks like a key is none: whatever stands between two
    quotation marks of which a colon or a blank follows the second. Of keys with an escaped mark only the end is seen,
    which tells."""
    pieces = text.split(b'"')
    for at in range(1, len(pieces) - 1):
        after = pieces[at + 1]
        if not after:
            if at + 2 < len(pieces):
                continue
        elif after[0] != 0x3A and after[0] > 0x20:
            continue
        if telling(pieces[at]):
            return True
    return False


def mask_json(text: bytes, spans: Sequence[Span], shown: frozenset[str] = _NONE) -> Masked | None:
    """A JSON document without what `spans` cover and what stands under telling keys, but for labels that are `shown`; None
    where that is nothing. ValueError if the text is no JSON document."""
    walk = _JsonWalk(text, spans, shown)
    at = 0
    for token in _JSON_TOKEN.finditer(text):
        if token.start() != at:
            raise ValueError("no token begins here")
        begin, at = token.span(1)
        walk.token(token[1], begin, at)
    if text[at:].strip() or walk.stack or not walk.values:
        raise ValueError("the document is not whole")
    return _edited(text, walk.edits, walk.labels)


class _JsonWalk:
    """A reading of a JSON document token by token, and what is to be changed in it."""

    __slots__ = (
        "_at",
        "_expects_key",
        "_key",
        "_label",
        "_shown",
        "_spans",
        "edits",
        "labels",
        "stack",
        "text",
        "values",
    )

    def __init__(self, text: bytes, spans: Sequence[Span], shown: frozenset[str]) -> None:
        self.text = text
        self._shown = shown
        self.edits: list[Edit] = []
        self.labels: list[str] = []
        self.stack: list[
            tuple[bool, bytes, str | None]
        ] = []  # an object?, the key it stands under, what that key says
        self.values = 0
        self._spans = spans
        self._at = 0
        self._key = b""
        self._label: str | None = None
        self._expects_key = False

    def token(self, token: bytes, begin: int, end: int) -> None:
        first = token[0]
        if first in b"{[":
            self.values += 1
            self.stack.append((first == 0x7B, self._key, self._label))
            self._expects_key = first == 0x7B
        elif first in b"}]":
            if not self.stack or self.stack[-1][0] != (first == 0x7D):
                raise ValueError("a bracket closes what was not opened")
            self.stack.pop()
            self._expects_key = False
            self._resume()
        elif first == 0x2C:
            if not self.stack:
                raise ValueError("a comma outside")
            self._resume()
            self._expects_key = self.stack[-1][0]
        elif first == 0x22:
            if self._expects_key:
                self._expects_key = False
                self._own(begin, end)
                self._under(token)
            else:
                self.values += 1
                self._value(token, begin, end)
        elif first in b"-0123456789":
            self.values += 1
            self._value(token, begin, end)
        elif first in b"tfn":
            self.values += 1

    def _resume(self) -> None:
        """Behind a value: what stands next in the same container."""
        _, self._key, self._label = self.stack[-1] if self.stack else (False, b"", None)

    def _under(self, token: bytes) -> None:
        key = token[1:-1]
        if b"\\" in key:
            try:
                key = str(json.loads(token)).encode("utf-8", "replace")
            except ValueError:
                key = b""
        _, parent, above = self.stack[-1]
        self._key = key
        self._label = above or key_label(key, parent, self._shown)

    def _value(self, token: bytes, begin: int, end: int) -> None:
        if self._label is None or token == b'""':
            self._own(begin, end)
        elif token != REDACTED_STRING:
            self.edits.append((begin, end, REDACTED_STRING))
            self.labels.append(self._label)

    def _own(self, begin: int, end: int) -> None:
        """Masks what spans cover of one string or number."""
        spans = self._spans
        while self._at < len(spans) and spans[self._at][1] <= begin:
            self._at += 1
        at = self._at
        covered: list[Edit] = []
        while at < len(spans) and spans[at][0] < end:
            first = max(begin + 1, spans[at][0])
            before = self.text[begin + 1 : first]
            first += (len(before) - len(before.rstrip(b"\\"))) & 1  # the letter of an escape stays with it
            covered.append((first, max(first, min(end - 1, spans[at][1])), REDACTED))
            self.labels.append(spans[at][2])
            at += 1
        if not covered:
            return
        new = REDACTED_STRING
        if self.text[begin] == 0x22:
            inside = _replaced(self.text, begin, end, covered)
            new = inside if _JSON_STRING.fullmatch(inside) else REDACTED_STRING
        self.edits.append((begin, end, new))


def mask_xml(text: bytes, spans: Sequence[Span], shown: frozenset[str] = _NONE) -> Masked | None:
    """As `mask_json`, for XML documents and content."""
    edits: list[Edit] = []
    labels: list[str] = []
    stack: list[tuple[bytes, str | None]] = []
    at = 0
    for token in _XML_TOKEN.finditer(text):
        if token.start() != at:
            raise ValueError("no token begins here")
        at = token.end()
        piece = token.group()
        if piece.startswith(b"</"):
            if not stack:
                raise ValueError("an element ends that did not begin")
            stack.pop()
        elif piece[:1] == b"<" and piece[1:2] not in (b"!", b"?"):
            named = _XML_NAME.match(piece)
            name = named[1].rpartition(b":")[2] if named else b""
            parent, above = stack[-1] if stack else (b"", None)
            label = above or key_label(name, parent, shown)
            _mask_attributes(text, token.span(), label, spans, shown, edits, labels)
            if not piece.endswith(b"/>"):
                stack.append((name, label))
        elif piece.strip():
            inner = _inner(piece)
            begin = token.start() + inner[0]
            label = stack[-1][1] if stack else None
            _mask_piece(text, begin, token.start() + inner[1], label, spans, edits, labels)
    if at != len(text) or stack:
        raise ValueError("the document is not whole")
    return _edited(text, edits, labels)


def _inner(piece: bytes) -> tuple[int, int]:
    """The part of a token of XML that is text."""
    for head, tail in ((b"<![CDATA[", b"]]>"), (b"<!--", b"-->"), (b"<?", b"?>"), (b"<!", b">")):
        if piece.startswith(head):
            return len(head), len(piece) - len(tail)
    return 0, len(piece)


def _mask_attributes(
    text: bytes,
    tag: tuple[int, int],
    label: str | None,
    spans: Sequence[Span],
    shown: frozenset[str],
    edits: list[Edit],
    labels: list[str],
) -> None:
    for found in _XML_ATTRIBUTE.finditer(text, *tag):
        which = 2 if found[2] is not None else 3
        own = label or key_label(found[1].rpartition(b":")[2], b"", shown)
        if found.start(which) < found.end(which) and not found[1].startswith(b"xmlns"):
            _mask_piece(text, found.start(which), found.end(which), own, spans, edits, labels)


def _mask_piece(
    text: bytes,
    begin: int,
    end: int,
    label: str | None,
    spans: Sequence[Span],
    edits: list[Edit],
    labels: list[str],
) -> None:
    if label is not None:
        if text[begin:end] != REDACTED:
            edits.append((begin, end, REDACTED))
            labels.append(label)
        return
    inside = [(max(begin, a), min(end, b), REDACTED) for a, b, _ in spans if a < end and b > begin]
    if inside:
        new = _replaced(text, begin, end, inside)
        was_bare = _XML_BARE.search(text, begin, end)
        edits.append((begin, end, REDACTED if _XML_BARE.search(new) and not was_bare else new))
        labels.extend(one for a, b, one in spans if a < end and b > begin)


def mask_hstore(text: bytes, spans: Sequence[Span], shown: frozenset[str] = _NONE) -> Masked | None:
    """As `mask_json`, for hstore's text form."""
    edits: list[Edit] = []
    labels: list[str] = []
    at = 0
    for pair in _HSTORE_PAIR.finditer(text):
        if pair.start() != at:
            raise ValueError("no pair begins here")
        at = pair.end()
        label = key_label(pair[1], b"", shown)
        for which in (1, 2):
            if pair[which] is None:
                continue
            begin, end = pair.span(which)
            covered = [one for a, b, one in spans if a < end and b > begin]
            if which == 2 and label is not None:
                covered.append(label)
            if covered and pair[which] != REDACTED:
                edits.append((begin, end, REDACTED))
                labels += covered
    if at != len(text):
        raise ValueError("the pairs do not fill it")
    return _edited(text, edits, labels)


def _replaced(text: bytes, begin: int, end: int, edits: Sequence[Edit]) -> bytes:
    """The text between two offsets with the edits made."""
    parts: list[bytes] = []
    at = begin
    for a, b, new in edits:
        parts += (text[at:a], new)
        at = b
    parts.append(text[at:end])
    return b"".join(parts)


def _edited(text: bytes, edits: list[Edit], labels: list[str]) -> Masked | None:
    return (_replaced(text, 0, len(text), edits), labels) if edits else None
