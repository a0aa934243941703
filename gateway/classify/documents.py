"""The values inside json, xml and hstore documents, gathered by key: each key is a column of its own.

Keys and values are found by their marks, not by reading the document as a whole: a sample is cut off at a length.
"""

import re
from collections.abc import Sequence

KEYS_MAX = 200  # by document column; what comes later is not looked at
VALUES_MAX = 200  # by key

_JSON = re.compile(r'"((?:[^"\\]|\\.){1,64})"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|(-?\d[\d.eE+-]*)|\[\s*"((?:[^"\\]|\\.)*)")')
_HSTORE = re.compile(r'"((?:[^"\\]|\\.){1,64})"=>"((?:[^"\\]|\\.)*)"')
_XML = re.compile(r"<([\w:.-]{1,64})(?:\s[^<>]*)?>([^<]+)</")
_ATTRIBUTE = re.compile(r"""\s([\w:.-]{1,64})\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_ITEM = re.compile(r'(?:[\[,]\s*)"((?:[^"\\]|\\.)*)"(?=\s*[,\]])')
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "", "f": ""}
BARE = ""  # the key of what has none: the items of a list


def is_document(values: Sequence[str]) -> bool:
    """Whether texts are json or xml for the most part."""
    found = sum(value.lstrip()[:2] in ("{}", '{"', "[]", '["', "[{", "{\n", "{ ") or _is_xml(value) for value in values)
    return bool(values) and found > 0.8 * len(values)


def _is_xml(value: str) -> bool:
    return value.lstrip().startswith("<") and value.rstrip().endswith(">")


def by_key(values: Sequence[str]) -> dict[str, list[str]]:
    """What the documents hold, by key: at most KEYS_MAX keys and VALUES_MAX values of each, empty values left out."""
    found: dict[str, list[str]] = {}
    for document in values:
        for key, value in _pairs(document):
            held = found.get(key)
            if held is None:
                if len(found) >= KEYS_MAX:
                    continue
                held = found[key] = []
            if value and len(held) < VALUES_MAX:
                held.append(value)
    return found


def _pairs(document: str) -> list[tuple[str, str]]:
    if document.lstrip().startswith("<"):
        pairs = [(hit[1].rpartition(":")[2], hit[2].strip()) for hit in _XML.finditer(document)]
        return pairs + [(hit[1], hit[2] or hit[3] or "") for hit in _ATTRIBUTE.finditer(document)]
    pairs = [
        (_unescaped(hit[1]), _unescaped(hit[2] or hit[3] or hit[4] or ""))
        for form in (_JSON, _HSTORE)
        for hit in form.finditer(document)
    ]
    return pairs + [(BARE, _unescaped(hit[1])) for hit in _ITEM.finditer(document)]


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(hit: re.Match[str]) -> str:
    return chr(int(hit[1], 16)) if hit[1] else _PLAIN.get(hit[2], hit[2])
