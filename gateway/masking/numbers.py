"""Which numbers in a run of digits and separators are personal: cards, national ids, telephone numbers, coordinates.

A run is what lies between two bytes that neither digits nor their separators are. Shapes with a check digit are enough by
themselves; others need their usual separators, or a word before them that says what they are. Dates, decimals, versions, order
numbers and the like stay.
"""

import re
from collections.abc import Callable, Iterator

from gateway.masking import checks

Span = tuple[int, int, str]  # begin, end, label

RUN = b"0123456789 \t./(),_-+"
_NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_BEFORE = 48  # bytes before a number in which a word may tell what it is

_GROUP = re.compile(rb"[0-9]+")
_EDGE = rb"(?![0-9A-Za-z_]|[-./][0-9])"
_DATE = re.compile(
    rb"[0-9]{4}([-./ ])[0-9]{1,2}\1[0-9]{1,2}(?![0-9])|[0-9]{1,2}([-./ ])[0-9]{1,2}\2(?:19|20)?[0-9]{2}(?![0-9])|"
    rb"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?:[0-9]{2}){0,3}(?![0-9])"
)
_INTERNATIONAL = re.compile(
    rb"(?:\+|(?<![0-9A-Za-z_.,/+-])00(?=[1-9]))(?:[ ./()-]{0,3}[0-9]){7,15}(?:\s?(?:x|ext\.?\s?)[0-9]{1,6})?(?![0-9])"
)
_SHAPED = re.compile(
    rb"(?<![0-9A-Za-z_])(?<![0-9][-./])(?:"
    rb"(?P<ssn>[0-9]{3}([-./ ])[0-9]{2}\2[0-9]{4})|(?P<cpf>[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})|"
    rb"(?P<sin>[0-9]{3}([- ])[0-9]{3}\5[0-9]{3})|(?P<aadhaar>[2-9][0-9]{3}([- ])[0-9]{4}\7[0-9]{4})|"
    rb"(?P<personnummer>(?:19|20)?[0-9]{6}[-+][0-9]{4})|"
    rb"(?P<american>(?:(?:001|1)[-. ])?(?:\([2-9][0-9]{2}\)\s?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}"
    rb"(?:\s?(?:x|ext\.?\s?)[0-9]{1,6})?)|"
    rb"(?P<brazilian>[1-9][0-9] [0-9]{4,5}-[0-9]{4})"
    rb")" + _EDGE
)
_ZERO = re.compile(
    rb"(?<![0-9A-Za-z_.,/+-])(?:\(0[0-9]{1,5}\)|0[1-9][0-9]{0,4}(?=[ ./-]{1,3}[0-9])|\([1-9][0-9]{1,4}\)|0[0-9]{2,4}(?=[ /-]))"
    rb"(?:[ ./-]{0,3}[0-9]{1,8}){1,6}" + _EDGE
)
_BARE = re.compile(rb"\+?\(?[0-9](?:[ ./()-]{0,2}[0-9]){5,18}(?:\s?(?:x|ext\.?\s?)[0-9]{1,6})?(?![0-9])")
_PAIR = re.compile(
    rb"(?<![0-9A-Za-z_.])-?[0-9]{1,2}\.[0-9]{4,}\s?[,; /]\s?-?1?[0-9]{1,2}\.[0-9]{4,}(?![0-9.])"
)

# What a word shortly before a number says that it is.
_TOLD = re.compile(
    rb"(?is)(?:(?P<phone>\b(?:tel|phones?|telephone|telefone?|telefono|telefonnummer|t\xc3\xa9l\xc3\xa9phone|t\xc3\xa9l|mobil|mobile|handy"
    rb"|movil|m\xc3\xb3vil|celular|cellulare|cell|cellphone|fax|sms|whatsapp|rufnummer|portable|tlf|numer telefonu|telefoon|mobiel"
    rb"|telefon|(?:call|ring|dial|text|reach)(?: (?:me|us|him|her|them|back))?(?: at| on| under)?)(?: (?:number|no|nr|num))?)|"
    rb"(?P<ssn>\b(?:ssn|social security|social insurance|national id|national insurance|nino|tax id|tin|itin|bsn|pesel|dni|nif|nie|cpf"
    rb"|nir|s\xc3\xa9curit\xc3\xa9 sociale|steuer-?id|steuernummer|sozialversicherungsnummer|codice fiscale|burgerservicenummer"
    rb"|personnummer|aadhaar|curp|sin|citizen id|id card)(?: (?:number|no|nr|num))?)|"
    rb"(?P<passport>\b(?:passport|reisepass|passeport|pasaporte|passaporto|paspoort)(?: (?:number|no|nr|num))?)|"
    rb"(?P<licence>\b(?:driver'?s? licen[cs]e|driving licence|f\xc3\xbchrerschein|permis de conduire|rijbewijs)(?: (?:number|no|nr|num))?)|"
    rb"(?P<iban>\b(?:(?:bank )?account(?: (?:number|no|nr|num))|acct|konto|kontonummer|rekeningnummer|routing(?: number)?|sort code))|"
    rb"(?P<card>\b(?:card|credit card|debit card|kreditkarte|carte|tarjeta)(?: (?:number|no|nr|num)))|"
    rb"(?P<health>\b(?:mrn|medical record)(?: (?:number|no|nr|num))?)"
    rb")\W{0,4}(?:(?:is|was|ist|est|es|to|at|on|of|number|nr|n\xc2\xba)\W{1,3})?$"
)


def run_around(text: bytes, since: int, at: int) -> tuple[int, int]:
    """The bounds of the run of digits and separators that `at` lies in or just behind, not before `since`."""
    start = since + len(text[since:at].rstrip(RUN))
    end, size = at, len(text)
    while end < size:
        ahead = text[end : end + 64]
        left = len(ahead.lstrip(RUN))
        end += len(ahead) - left
        if left:
            break
    return start, end


def personal(text: bytes, start: int, end: int) -> Iterator[Span]:
    """The personal numbers of the run between two offsets. Spans may overlap and come in no order."""
    yield from _cards(text, start, end)
    for found in _each(_INTERNATIONAL, text, start, end):
        digits = found.group().translate(None, _NO_DIGITS)
        separated = len(digits) != len(found.group()) - 1
        if 8 <= len(digits) <= 21 and (separated or len(digits) >= 9) and not digits.endswith(b"000000"):
            yield found.start(), found.end(), "phone"
    for found in _each(_SHAPED, text, start, end):
        label = _shaped(found)
        if label is not None:
            yield found.start(), found.end(), label
    for found in _each(_ZERO, text, start, end):
        if _dialled(found.group()):
            yield found.start(), found.end(), "phone"
    for found in _each(_PAIR, text, start, end):
        first, second = re.findall(rb"[0-9]+\.", found.group())
        if int(first[:-1]) <= 90 and int(second[:-1]) <= 180:
            yield found.start(), found.end(), "geo"
    yield from _told(text, start, end)


def _each(pattern: re.Pattern[bytes], text: bytes, start: int, end: int) -> Iterator[re.Match[bytes]]:
    """The matches that begin in the run; an extension in letters may lie behind it."""
    return pattern.finditer(text, start, min(len(text), end + 12))


def _cards(text: bytes, start: int, end: int) -> Iterator[Span]:
    if end - start < 12:
        return
    groups = [found.span() for found in _GROUP.finditer(text, start, end)]
    at = 0
    while at < len(groups):
        last = _card_from(text, groups, at)
        if last is None:
            at += 1
        else:
            yield groups[at][0], groups[last][1], "card"
            at = last + 1


def _card_from(text: bytes, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the card that begins with group `first`, None where none does."""
    begin, end = groups[first]
    if begin and (text[begin - 1 : begin].isalnum() or _continues(text, begin)):
        return None
    separator = b""
    sizes = [end - begin]
    best = None
    for last in range(first, len(groups)):
        if last > first:
            gap = text[groups[last - 1][1] : groups[last][0]]
            if len(gap) > 2 or b"," in gap or (separator and gap != separator) or b"(" in gap or b"+" in gap:
                break
            separator = gap
            sizes.append(groups[last][1] - groups[last][0])
        count = sum(sizes)
        if count > 19:
            break
        if count >= 12 and _usual(sizes) and not text[groups[last][1] : groups[last][1] + 1].isalpha():
            digits = text[begin : groups[last][1]].translate(None, _NO_DIGITS)
            if checks.card(digits):
                best = last
    return best


def _continues(text: bytes, at: int) -> bool:
    """Whether a number's begin is the rest of another: a fraction, or the tail of a uuid."""
    before = text[max(0, at - 5) : at]
    if before[-1:] in (b".", b","):
        return before[-2:-1].isdigit()
    return (
        len(before) == 5 and before[4:] == b"-" and not before[:4].translate(None, b"0123456789abcdefABCDEF")
    )


def _usual(sizes: list[int]) -> bool:
    if len(sizes) == 1:
        return True
    if len(sizes) == 3 and sizes[:2] == [4, 6]:
        return True
    return len(set(sizes[:-1])) == 1 and sizes[-1] <= 13 and (sizes[0] >= 3 or sizes[0] == sizes[-1])


def _shaped(found: re.Match[bytes]) -> str | None:
    kind, value = found.lastgroup, found.group()
    digits = value.translate(None, _NO_DIGITS)
    for name in ("american", "brazilian"):
        kind = name if found[name] is not None else kind
    if kind == "american":
        return "phone"
    if kind == "brazilian":
        years = value[3:7], value[8:]
        return None if all(b"1800" <= year <= b"2100" for year in years) else "phone"
    return "ssn" if _CHECKS[str(kind)](digits) else None


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "ssn": checks.us_ssn,
    "cpf": checks.cpf,
    "sin": checks.luhn,
    "aadhaar": checks.aadhaar,
    "personnummer": checks.personnummer,
}


def _dialled(number: bytes) -> bool:
    """Whether a number with its area code is one: no date, no decimal, as many digits as telephones have."""
    digits = number.translate(None, _NO_DIGITS)
    if not 8 <= len(digits) <= 13 or len(digits) == len(number) or _DATE.match(number):
        return False
    if len(digits) == 8 and number[:1] != b"(" and b"-" not in number and b"/" not in number:
        return False
    return b"." not in number or number.count(b".") >= 2 or number[:1] == b"("


def _told(text: bytes, start: int, end: int) -> Iterator[Span]:
    """A number that a word before it names: its digits need no shape then."""
    number = _BARE.search(text, start, min(len(text), end + 12))
    if number is None:
        return
    at = number.start()
    told = _TOLD.search(text[max(0, at - _BEFORE) : at])
    if told is None or _DATE.fullmatch(number.group()):
        return
    label = str(told.lastgroup)
    digits = number.group().translate(None, _NO_DIGITS)
    if len(digits) >= 7 or label in ("health", "passport", "licence"):
        yield at, number.end(), label
