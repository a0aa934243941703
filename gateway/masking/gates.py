"""The gates and the looks: for each kind of personal data a wide expression that a scan of the whole buffer can
afford, and an exact look at the places where it matched.

A gate is wider than what it stands for, never crosses a line break and needs no look-behind, so that cells may be
scanned joined by line breaks, as they lie in a block of rows, and nothing is found that alone would not be. It tells
an end offset only. A look reads a bounded stretch around it and gives spans of the text; it raises nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import AddressValueError, IPv6Address

from gateway.classify import national, validators
from gateway.masking import wording
from gateway.masking.numbers import Span

Look = Callable[[bytes, int], Iterable[Span]]

_ADDRESS_BYTES = (
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-"
    + bytes(range(128, 256))
)
_DOMAIN = re.compile(rb"(?:[A-Za-z0-9-]|[\x80-\xff]){1,63}(?:\.(?:[A-Za-z0-9-]|[\x80-\xff]){1,63}){1,8}")
_TOP_LEVEL = re.compile(rb"(?:[A-Za-z]|[\x80-\xff]){2,63}|xn--[A-Za-z0-9-]+")
_IBAN = re.compile(rb"[A-Za-z]{2}[0-9]{2}(?:[ \t./-]?[A-Za-z0-9]){11,30}")
_SEPARATORS = b" \t./-_"
_NINO = re.compile(
    rb"(?<![0-9A-Za-z_])[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Da-dT](?![0-9A-Za-z_])"
)
_DNI = re.compile(rb"(?<![0-9A-Za-z_])(?:[0-9]{8}|[XYZxyz]-?[0-9]{7})-?[A-Za-z](?![0-9A-Za-z_])")
_CODICE = re.compile(
    rb"(?<![0-9A-Za-z_])(?i:[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z])(?![0-9A-Za-z_])"
)
_NIR = re.compile(
    rb"(?<![0-9A-Za-z_])[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![0-9A-Za-z_])"
)
_CHINESE = re.compile(rb"(?<![0-9A-Za-z_])[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z_])")
_CURP = re.compile(rb"(?<![0-9A-Za-z_])(?i:[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[A-Z0-9][0-9])(?![0-9A-Za-z_])")
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IP4 = re.compile(
    rb"(?<![0-9A-Za-z_.-])(?:" + _OCTET + rb"\.){3}" + _OCTET + rb"(?![0-9A-Za-z_]|\.[0-9]|-[A-Za-z])"
)
_VERSIONED = re.compile(
    rb"(?i)(?:version|ver\.?|v|release|build|rev|chapter|section|\xc2\xa7|firmware|driver|oid)[ :=]{0,2}$|"
    rb"(?:[<>~!=]=|[<>~^])\s?$"
)
_IP6 = re.compile(
    rb"(?<![0-9A-Za-z_:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|"
    + _IP4.pattern[19:]
    + rb")?(?![0-9A-Za-z_:])"
)
_MAC = re.compile(
    rb"(?<![0-9A-Za-z_:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z_:-])"
)
_TOKEN = re.compile(
    rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}|A(?:KIA|SIA|ROA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|"
    rb"glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|[srp]k_(?:live|test)_[A-Za-z0-9]{10,}|AIza[A-Za-z0-9_-]{30,}|npm_[A-Za-z0-9]{30,}|"
    rb"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9_-]{20,}|\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}|"
    rb"\$argon2(?:id?|d)\$[^\s\"'<]{20,}|\$(?:1|5|6|y|scrypt|pbkdf2[a-z0-9-]*)\$[^\s\"'<]{12,}|SCRAM-SHA-256\$[^\s\"'<]{40,}|md5[0-9a-f]{32}|"
    rb"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"
)
_SECRET_KEYS = (
    rb"password|passwd|pwd|passphrase|passcode|secret|api[_ -]?key|apikey|access[_ -]?key|private[_ -]?key|"
    rb"secret[_ -]?key|access[_ -]?token|"
    rb"auth[_ -]?token|refresh[_ -]?token|bearer|credentials?|client[_ -]?secret|passwort|kennwort|"
    rb"mot de passe|contrase\xc3\xb1a|senha|wachtwoord|pin code"
)
_PAIR = re.compile(
    rb"(?i)(?:"
    + _SECRET_KEYS
    + rb")[\"'\]]{0,2}(?:\s{0,3}(?:[:=]|=>|:=)\s{0,3}|\s{1,3}(?:is|ist|est|es)\s{1,3}:?\s?)"
    rb"(?:bearer |basic )?(?P<quote>[\"'])?(?P<value>(?(quote)(?:(?!(?P=quote))[^\n\\]|\\.){1,4096}|[^\s\"'<>]{3,4096}))"
)
_BEARER = re.compile(rb"(?i)bearer (?P<value>[A-Za-z0-9._~+/=-]{16,4096})")
_URL = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/@]{0,64}:(?P<value>[^\s@/]{1,128})@")
_NO_SECRET = re.compile(
    rb"(?i)(?:none|null|nil|true|false|yes|no|str|string|bytes|int|optional|required|undefined|unset|empty|password|secret|the|a|an|not|your|changed|reset|"
    rb"[\[<{*x.]+(?:redacted|masked|hidden)?[\]>}*x.]*|\$[{(]?[A-Za-z_]+[})]?|[a-z_.]+\([^)]*\)?)[.,;:)]*"
)
_DEGREES = re.compile(
    rb"-?[0-9]{1,3}(?:\.[0-9]+)?\xc2\xb0[^\n]{0,16}?[NSns],?\s{0,2}-?[0-9]{1,3}(?:\.[0-9]+)?\xc2\xb0[^\n]{0,16}?[EWOewo](?![A-Za-z])"
)


class Group(IntEnum):
    """Gates that are one database, as they go well together: those of ALWAYS in one cost half of what they cost in four,
    those of numbers no less than apart (measured)."""

    ALWAYS = 0
    # Scanned only around MANY_DIGITS.
    DIGITS = 1
    IDS = 2
    DIALLED = 3
    TOLD = 4


@dataclass(frozen=True, slots=True)
class Gate:
    expressions: tuple[bytes, ...]
    look: Look | None  # None: the run of digits is looked at as a whole
    group: Group
    any_case: bool = False


def _near(
    pattern: re.Pattern[bytes],
    label: str,
    back: int,
    ahead: int,
    check: Callable[[bytes], bool] | None = None,
) -> Look:
    """Looks for the pattern from `back` bytes before the place on, in at most `ahead` bytes behind it."""

    def look(text: bytes, at: int) -> Iterator[Span]:
        for found in pattern.finditer(text, max(0, at - back), at + ahead):
            if check is None or check(found.group()):
                name = "value" if "value" in pattern.groupindex else 0
                yield found.start(name), found.end(name), label

    return look


def _email(text: bytes, at: int) -> Iterator[Span]:
    sign = at - 2
    domain = _DOMAIN.match(text, at - 1)
    if domain is None:
        return
    end = domain.end()
    while text[end - 1 : end] in (b".", b"-"):
        end -= 1
    name, _, top = text[at - 1 : end].rpartition(b".")
    if not name or not _TOP_LEVEL.fullmatch(top):
        return
    before = text[max(0, sign - 256) : sign]
    begin = sign - len(before) + len(before.rstrip(_ADDRESS_BYTES))
    while begin < sign and text[begin : begin + 1] in b".'=/{|&`":
        begin += 1
    if begin == sign and before.endswith(b'"'):
        begin = sign - len(before) + max(0, before[:-1].rfind(b'"'))
    if begin < sign and not (text[begin:sign] == b"git" and text[end : end + 1] in (b":", b"/")):
        yield begin, end, "email"


def _iban(text: bytes, at: int) -> Iterator[Span]:
    for found in _IBAN.finditer(text, max(0, at - 48), at + 48):
        size = validators.IBAN_LENGTHS.get(found.group()[:2].upper())
        if size is None:
            continue
        end = begin = found.start()
        while size and end < found.end():  # the words behind it look like more of it
            size -= text[end] not in _SEPARATORS
            end += 1
        whole = not size and not text[end : end + 1].isalnum()
        if whole and validators.iban(text[begin:end].translate(None, _SEPARATORS)):
            yield begin, end, "iban"


def _ip4(text: bytes, at: int) -> Iterator[Span]:
    for found in _IP4.finditer(text, max(0, at - 16), at + 16):
        value = found.group()
        if value in (b"0.0.0.0", b"127.0.0.1") or value.startswith(b"255."):
            continue
        if len(value) == 7 and len(set(value)) > 3:
            continue  # 2.7.2.3 is a version; of single digits the known servers alone, as 8.8.4.4, are addresses
        if not _VERSIONED.search(text[max(0, found.start() - 12) : found.start()]):
            yield found.start(), found.end(), "ip"


def _ip6(text: bytes, at: int) -> Iterator[Span]:
    for found in _MAC.finditer(text, max(0, at - 20), at + 20):
        if len(set(found.group())) > 2:
            yield found.start(), found.end(), "ip"
    for found in _IP6.finditer(text, max(0, at - 48), at + 48):
        value = found.group()
        if len(value) < 6 or not any(48 <= byte <= 57 for byte in value):
            continue
        try:
            IPv6Address(value.decode())
        except AddressValueError:
            continue
        yield found.start(), found.end(), "ip"


def _token(text: bytes, at: int) -> Iterator[Span]:
    for begin in range(max(0, at - 26), at):
        found = _TOKEN.match(text, begin)
        if found is not None and not text[max(0, begin - 1) : begin].isalnum():
            yield begin, found.end(), "secret"
            return


def _private_key(text: bytes, at: int) -> Iterator[Span]:
    head = text[at : at + 40]
    if b"PRIVATE KEY" not in head:
        return
    begin = max(0, at - 10)
    end = text.find(b"-----END", at)
    after = text.find(b"-----", end + 8) if end >= 0 else -1
    yield begin, after + 5 if after >= 0 else len(text), "secret"


def _pair(text: bytes, at: int) -> Iterator[Span]:
    for pattern in (_PAIR, _BEARER):
        for found in pattern.finditer(text, max(0, at - 40), min(len(text), at + 4200)):
            if found.start() > at:
                break
            if not _NO_SECRET.fullmatch(found["value"]):
                yield found.start("value"), found.end("value"), "secret"


def _name(text: bytes, at: int) -> Iterator[Span]:
    for pattern in (wording.NAME_AFTER, wording.KEY_AFTER):
        for found in pattern.finditer(text, max(0, at - 48), at + 120):
            words = found["name"].replace(b",", b" ").split()
            if any(word.rstrip(b".") in wording.NOBODY for word in words[:2]):
                continue
            if pattern is wording.NAME_AFTER and found["person"] is not None and len(words) < 2:
                continue
            yield found.start("name"), found.end("name"), "name"


def _address(text: bytes, at: int) -> Iterator[Span]:
    for found in wording.ADDRESS.finditer(text, max(0, at - 96), at + 96):
        yield found.start(), found.end(), "address"


def _birth(text: bytes, at: int) -> Iterator[Span]:
    for found in wording.BIRTH.finditer(text, max(0, at - 64), at + 48):
        yield found.start("day"), found.end("day"), "dob"


# In any case. Without a match of one the groups from DIGITS on have none; they have theirs not far from where one ends,
# words that tell what a number is included.
_SOME_DIGITS = rb"[0-9](?:[ \t./(),;_+-]{0,4}[0-9])"
MANY_DIGITS = (
    _SOME_DIGITS + rb"{6}[^0-9]",
    _SOME_DIGITS + rb"{5}[a-z]",
    _SOME_DIGITS + rb"{5} ?[a-dt][^0-9a-z]",
)
DIGITS_REACH = (160, 64)  # bytes before and behind


# Characters written by escape or lookalike: such a text is read a second time, folded.
ESCAPED = Gate(
    (
        rb"\\u(?:00|ff|20)[0-9a-f]{2}",
        rb"[0-9]\\/[0-9]",
        rb"\\[nrt](?:[0-9+(]|dear |m[rs]|dr)",
        rb"&(?:#x?[0-9]|nbsp;|commat;|period;)",
        rb"%[2-7][0-9a-f]",
        rb"\xef\xbc[\x90-\x99\xa0]",
        rb"[0-9](?:\xc2[\xa0\xad]|\xe2\x80[\x80-\x95\xaf]|\xe2\x88\x92|\xe2\x81[\xa0\xa4]|\xe3\x80\x80|\xef\xbb\xbf)[0-9]",
        rb"(?:\xe2\x80[\x8b-\x8f]|\xc2\xad|\xef\xbb\xbf|\xe2\x81\xa0)[0-9a-z@.]",
        rb"(?:\xd9[\xa0-\xa9]|\xdb[\xb0-\xb9]){3}",
        rb"(?:\xe0\xa5[\xa6-\xaf]){3}",
    ),
    None,
    Group.ALWAYS,
    any_case=True,
)
GATES = (
    Gate((rb"[^\s@]@[a-z0-9\x80-\xff]",), _email, Group.ALWAYS, any_case=True),
    ESCAPED,
    Gate((rb"://[^\s:/@]{0,64}:[^\s@/]{1,128}@",), _near(_URL, "secret", 230, 0), Group.ALWAYS),
    Gate(
        (rb"\xc2\xb0[^\n]{0,16}[NSns],?\s{0,2}-?[0-9]{1,3}(?:\.[0-9]{1,12})?\xc2\xb0",),
        _near(_DEGREES, "geo", 64, 24),
        Group.ALWAYS,
    ),
    Gate(
        (
            rb"eyJ",
            rb"A(?:KIA|SIA|ROA)[A-Z0-9]{4}",
            rb"gh[pousr]_",
            rb"github_pat_",
            rb"glpat-",
            rb"xox[abeoprs]-",
            rb"[srp]k_(?:live|test)_",
            rb"AIza",
            rb"npm_[A-Za-z0-9]{8}",
            rb"SG\.[A-Za-z0-9_-]{8}",
            rb"sk-[A-Za-z0-9_-]{20}",
            rb"\$2[abxy]\$",
            rb"\$argon2",
            rb"\$(?:1|5|6|y|scrypt|pbkdf2[a-z0-9-]{0,12})\$",
            rb"SCRAM-SHA-256\$",
            rb"md5[0-9a-f]{8}",
            rb"hooks\.slack\.com/",
        ),
        _token,
        Group.ALWAYS,
    ),
    Gate((rb"-----BEGIN",), _private_key, Group.ALWAYS),
    Gate(
        (
            rb"(?:" + _SECRET_KEYS + rb")[\"'\]]{0,2}\s{0,3}(?:[:=]|is |ist |est |es )",
            rb"bearer [a-z0-9._~+/=-]{8}",
        ),
        _pair,
        Group.ALWAYS,
        any_case=True,
    ),
    Gate(wording.NAME_GATES, _name, Group.ALWAYS),
    Gate(wording.KEY_GATES, _name, Group.ALWAYS, any_case=True),
    Gate(wording.BIRTH_GATES, _birth, Group.ALWAYS, any_case=True),
    Gate(wording.ADDRESS_WORD_GATES, _address, Group.ALWAYS),
    Gate(wording.ADDRESS_SHAPE_GATES, _address, Group.ALWAYS),
    Gate((rb"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",), _ip4, Group.ALWAYS),
    Gate(
        (rb"[0-9]{2}[a-z][0-9]{2}[a-z][0-9]{3}[a-z]",),
        _near(_CODICE, "ssn", 18, 4, national.codice_fiscale_it),
        Group.ALWAYS,
        any_case=True,
    ),
    Gate(
        (
            rb":[0-9a-f]{0,4}:[0-9a-f]{0,4}:",
            rb"[0-9a-f]::[0-9a-f]",
            rb"[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2}-",
        ),
        _ip6,
        Group.ALWAYS,
        any_case=True,
    ),
    Gate(
        (
            rb"(?:[0-9][ \t./_-]{0,2}){11,18}[0-9][^0-9]",  # cards, ids, accounts
            rb"[0-9]{3}[-./ ][0-9]{2}[-./ ][0-9]{4}[^0-9]",
            rb"[0-9]{3}\)?[-./ ]{0,2}[0-9]{3}[-. ][0-9]{3,4}[^0-9]",
            rb"[0-9]{6}[-+][0-9]{4}[^0-9]",
            rb"[1-9][0-9] [0-9]{4,5}-[0-9]{4}[^0-9]",
            rb"[0-9]\.[0-9]{4,20}[ \t]?[,; /][ \t]?-?[0-9]{1,3}\.[0-9]{4}",
        ),
        None,
        Group.DIGITS,
    ),
    Gate(
        (rb"(?:[+(]|[^0-9A-Za-z.,:/_-]0)[0-9]{0,5}\)?(?:[ ./()-]{0,3}[0-9]){6,9}[^0-9]",), None, Group.DIALLED
    ),
    Gate(
        (rb"(?:[a-z][ :]{1,2}|[.:#)=\"] {0,2})[a-z]{0,3}[+(]?[0-9](?:[ .()/-]{0,2}[0-9]){6}",),
        None,
        Group.TOLD,
        any_case=True,
    ),
    Gate(
        (rb"[^0-9a-f][a-z]{2}[0-9]{2}(?:[ \t./-]?[a-z0-9]){11}",),  # not inside of hexadecimal digits
        _iban,
        Group.IDS,
        any_case=True,
    ),
    Gate(
        (rb"[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-dt][^0-9a-z]",),
        _near(_NINO, "ssn", 16, 4),
        Group.IDS,
        any_case=True,
    ),
    Gate(
        (rb"[0-9]{7}-?[a-z][^0-9a-z]",),
        _near(_DNI, "ssn", 14, 4, national.dni_es),
        Group.IDS,
        any_case=True,
    ),
    Gate(
        (rb"[12] ?[0-9]{2} ?[0-9]{2} ?[0-9ab]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}[^0-9a-z]",),
        _near(_NIR, "ssn", 24, 4, national.nir_fr),
        Group.IDS,
        any_case=True,
    ),
    Gate((rb"[0-9]{17}[0-9Xx]",), _near(_CHINESE, "ssn", 20, 4, national.resident_cn), Group.IDS),
    Gate(
        (rb"[a-z]{4}[0-9]{6}[hmx][a-z]{5}[a-z0-9][0-9]",),
        _near(_CURP, "ssn", 20, 4),
        Group.IDS,
        any_case=True,
    ),
)
