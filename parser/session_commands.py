"""Reading SET, RESET, SHOW and DISCARD: the session's settings."""

from parser.facts import Output, Setting
from parser.lineage import OPAQUE
from parser.reading import Reading, Unread

# SET has no sign between these and the value.
_ONE_WORD = frozenset(("names", "schema", "role", "catalog"))
_TWO_WORDS = {
    ("time", "zone"): "timezone",
    ("session", "authorization"): "session_authorization",
    ("xml", "option"): "xmloption",
}
_BETWEEN = ("=", "to", ".")


def set_command(r: Reading, at: int, end: int) -> None:
    words = r.words
    word = words.word
    r.effects.add("session")
    r.by_value = True
    if word[at] == "constraints":
        r.kinds.setdefault("SET CONSTRAINTS")
        return
    local = False
    if word[at] in ("local", "session") and word[at + 1] not in ("=", ".", "to", "authorization"):
        local = word[at] == "local"
        at += 1
    if word[at] == "transaction" and word[at + 1] not in ("=", "to", "."):
        r.kinds.setdefault("SET TRANSACTION")
        return
    if word[at] == "characteristics" and word[at + 1] == "as":
        r.kinds.setdefault("SET SESSION CHARACTERISTICS")
        for name in ("isolation", "read_only", "deferrable"):
            r.settings.append(Setting(f"default_transaction_{name}", None))
        return
    r.kinds.setdefault(
        {"role": "SET ROLE", "authorization": "SET SESSION AUTHORIZATION"}.get(
            word[at + 1] if word[at] == "session" else word[at], "SET"
        )
    )
    _assign(r, at, end, local)


def setting(r: Reading, at: int, end: int) -> None:
    """The setting in a SET clause of a function (it holds while the function runs); stands behind SET."""
    word = r.words.word
    r.by_value = True
    if (word[at], word[at + 1]) in _TWO_WORDS:
        stop = at + 3
    elif word[at] in _ONE_WORD and word[at + 1] not in _BETWEEN:
        stop = at + 2
    else:
        _, behind = r.name(at)
        stop = behind + 2
        while stop < end and word[stop - 1] in ("+", "-"):
            stop += 1
        while stop < end and word[stop] == ",":
            stop += 2 + (word[stop + 1] in ("+", "-"))
    _assign(r, at, min(stop, end), True)


def _assign(r: Reading, at: int, end: int, local: bool) -> None:
    """name = value, and what has a grammar of its own (TIME ZONE, ROLE …)."""
    words = r.words
    word, text = words.word, words.text
    special = _TWO_WORDS.get((word[at], word[at + 1]))
    if special is not None:
        r.settings.append(Setting(special, _value(r, at + 2, end), local))
    elif word[at] in _ONE_WORD and word[at + 1] not in _BETWEEN:
        name = {"names": "client_encoding", "schema": "search_path"}.get(word[at], text[at])
        r.settings.append(Setting(name, _value(r, at + 1, end), local))
    else:
        parts, behind = r.name(at)
        if word[behind] not in ("=", "to", "from"):
            raise Unread("SET was not understood")
        value = None if word[behind] == "from" else _value(r, behind + 1, end)
        r.settings.append(Setting(".".join(parts).lower(), value, local))


def _value(r: Reading, at: int, end: int) -> str | None:
    """The value of a SET, a list joined with commas; None for DEFAULT and where there is none."""
    words = r.words
    values = []
    for begin, stop in r.split(at, end):
        if begin == stop or any(words.word[k] in ("", ";", "(") for k in range(begin, stop)):
            return None
        values.append(" ".join(words.text[begin:stop]).replace("- ", "-"))
    if not values or (len(values) == 1 and words.word[at] == "default"):
        return None
    return ", ".join(values)


def reset_command(r: Reading, at: int, end: int) -> None:
    words = r.words
    word = words.word
    r.kinds.setdefault("RESET")
    r.effects.add("session")
    r.by_value = True
    if word[at] == "all":
        r.settings.append(Setting("*", None))
    elif word[at] == "time" and word[at + 1] == "zone":
        r.settings.append(Setting("timezone", None))
    elif word[at] == "session" and word[at + 1] == "authorization":
        r.settings.append(Setting("session_authorization", None))
    elif word[at] == "transaction" and word[at + 1] == "isolation":
        pass
    else:
        parts, _ = r.name(at)
        r.settings.append(Setting(".".join(parts).lower(), None))


def discard_command(r: Reading, at: int, end: int) -> None:
    r.kinds.setdefault("DISCARD")
    r.effects.add("session")
    if r.words.word[at] == "all":
        r.by_value = True
        r.settings.append(Setting("*", None))


def show_command(r: Reading, at: int, end: int) -> None:
    words = r.words
    r.kinds.setdefault("SHOW")
    r.effects.add("session")
    if words.word[at] == "all":
        r.outputs = (Output(), OPAQUE, Output())
        return
    own = any(words.word[k] == "." for k in range(at, end)) or "." in words.text[at]
    r.outputs = (OPAQUE if own else Output(),)
