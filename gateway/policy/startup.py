"""The client's start-up parameters (manual, section 55.7): looked at once, handed on as pairs, never as text.

All parameters but a few are session settings and stand under the same rule as SET. `options` is split as the server
splits it (pg_split_opts: blanks part, a backslash keeps the next character) and only -c name=value and --name=value are
known, so nothing in it can reach another switch of the server.
"""

import re
from collections.abc import Iterable

from gateway.errors import Refusal, Refused, State
from gateway.identity import on_hold
from gateway.policy.rights import Rights
from gateway.policy.session_settings import READ_ONLY, barred
from parser.facts import Setting

Pairs = list[tuple[str, str]]

_BLANKS = " \t\n\r\v\f"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*")
_NAME_MAX = 63
AUTH, ISSUER = "sluice.auth", "sluice.issuer"  # how to be asked for the token, and which issuer to be told of
_CONSUMED = frozenset(("user", "database", "options", "replication", "role", AUTH, ISSUER))
_NO_REPLICATION = ("", "false", "off", "no", "0", "f", "n", "of")
_EXAMPLE = "Pass -c name=value, as in options='-c statement_timeout=5000'."


def startup(params: Iterable[tuple[str, str]], rights: Rights) -> Pairs:
    """The settings to send upstream, each name once, the last value given, in the order of first mention.

    Left out: user, database and role, which the gateway sets itself, and protocol options (`_pq_.`). `replication`
    is handed on where the rights let it. Who may only read gets a session that only reads, and RESET ALL and DISCARD ALL
    bring that back. Raises Refusal: 28000 for what cannot be read, 42501 for what is barred.
    """
    chosen: dict[str, tuple[str, str]] = {}
    for name, value in _pairs(params):
        if "\0" in value:
            raise Refusal(_unreadable("a start-up parameter holds a NUL character"))
        folded = name.lower()
        if folded == "replication":
            if value.strip().lower() not in _NO_REPLICATION:
                if not rights.replication:
                    raise Refusal(_NO_STREAM)
                chosen[folded] = (name, value)
            continue
        if folded in _CONSUMED:
            continue
        if folded == on_hold.SETTING and not on_hold.known(value):
            raise Refusal(on_hold.UNKNOWN)
        found = barred(Setting(folded, value), rights.role, reset=False, reads_only=rights.reads_only)
        if found is not None and not rights.may(found.word):
            message = f"the start-up packet changes {found.what}, and no grant here allows {found.word}"
            raise Refusal(Refused(State.DENIED, message, found.hint))
        chosen[folded] = (chosen.get(folded, (name, ""))[0], value)
    if rights.reads_only:
        chosen.setdefault(READ_ONLY, (READ_ONLY, "on"))
    return list(chosen.values())


def door(params: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The values of `sluice.auth` and `sluice.issuer`, "" where the start-up packet does not have them. Raises Refusal
    28000."""
    found = {name.lower(): value for name, value in _pairs(params)}
    return found.get(AUTH, ""), found.get(ISSUER, "")


def wanted_role(params: Iterable[tuple[str, str]]) -> str | None:
    """The upstream role that the start-up packet asks for, None where it asks for none. Raises Refusal 28000."""
    role = None
    for name, value in _pairs(params):
        if name.lower() == "role":
            role = value
    return role


def _pairs(params: Iterable[tuple[str, str]]) -> Pairs:
    """All settings: those of `options` first, for the packet's own pairs win over them on the server."""
    own: Pairs = []
    switched: Pairs = []
    for name, value in params:
        if name.startswith("_pq_."):
            continue
        if name == "options":
            switched += _options(value)
            continue
        if not _NAME.fullmatch(name) or len(name) > _NAME_MAX:
            raise Refusal(_unreadable("a start-up parameter's name is not the name of a setting"))
        own.append((name, value))
    return switched + own


def _options(text: str) -> Pairs:
    words = _split(text)
    pairs: Pairs = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "-c":
            if at == len(words):
                raise Refusal(_unreadable("options ends in -c"))
            setting = words[at]
            at += 1
        elif word.startswith(("-c", "--")):
            setting = word[2:]
        else:
            raise Refusal(_unreadable("options holds a switch that is not -c or --name"))
        name, equals, value = setting.partition("=")
        name = name.replace("-", "_")
        if not equals or not _NAME.fullmatch(name) or len(name) > _NAME_MAX:
            raise Refusal(_unreadable("options holds a switch without name=value"))
        pairs.append((name, value))
    return pairs


def _split(text: str) -> list[str]:
    words: list[str] = []
    word: list[str] = []
    started = escaped = False
    for char in text:
        if escaped:
            word.append(char)
            escaped = False
        elif char == "\\":
            started = escaped = True
        elif char not in _BLANKS:
            word.append(char)
            started = True
        elif started:
            words.append("".join(word))
            word, started = [], False
    if started:
        words.append("".join(word))
    return words


def _unreadable(why: str) -> Refused:
    return Refused(State.NOT_SIGNED_IN, f"the start-up packet cannot be read: {why}", _EXAMPLE)


_NO_STREAM = Refused(
    State.DENIED, "replication connections are not granted here", "Connect without the replication parameter."
)
