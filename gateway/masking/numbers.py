"""Which numbers in a run of digits and separators are personal: cards, national ids, telephone numbers, coordinates.

A run is what lies between two bytes that neither digits nor their separators are. Shapes with a check digit are enough by
themselves; others need their usual separators, or a word before them that says what they are. Dates, decimals,
versions, order numbers and the like stay.
"""

import re
from collections.abc import Callable, Iterator

from gateway.classify import national, validators

Span = tuple[int, int, str]  # begin, end, label

RUN = b"0123456789 \t./(),_-+"
_SEPARATORS = b" \t./(),_-+"
_NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_BEFORE = 48  # bytes before a number in which a word may tell what it is

_GROUP = re.compile(rb"[0-9]+")
_EDGE = rb"(?![0-9A-Za-z_]|[-./][0-9])"
_DATE = re.compile(
    rb"[0-9]{4}([-./ ])[0-9]{1,2}\1[0-9]{1,2}(?![0-9])|[0-9]{1,2}([-./])[0-9]{1,2}\2(?:19|20)?[0-9]{2}(?![-./]?[0-9])|"
    rb"[0-9]{1,2} [0-9]{1,2} (?:19|20)[0-9]{2}(?![0-9])|"
    rb"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?:[0-9]{2}){0,3}(?![0-9])"
)
_NO_DIALLED = re.compile(_DATE.pattern + rb"|[0-9]{5}-[0-9]{4}$")  # nor a postal code
_INTERNATIONAL = re.compile(
    rb"(?:\+|(?<![0-9A-Za-z_.,/+-])00(?=[1-9]))(?:[ ./()-]{0,3}[0-9]){7,15}(?:\s?(?:x|ext\.?\s?)[0-9]{1,6})?(?![0-9])"
)
_SHAPED = re.compile(
    rb"(?<![0-9])(?<![0-9][-./])(?:"
    rb"(?P<ssn>[0-9]{3}([-./ ])[0-9]{2}\2[0-9]{4})|(?P<cpf>[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})|"
    rb"(?P<sin>[0-9]{3}([- ])[0-9]{3}\5[0-9]{3})|(?P<aadhaar>[2-9][0-9]{3}([- ])[0-9]{4}\7[0-9]{4})|"
    rb"(?P<personnummer>(?:19|20)?[0-9]{6}[-+][0-9]{4})|"
    rb"(?P<american>(?:(?:001|1)[-. ])?(?:\([2-9][0-9]{2}\)\s?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}"
    rb"(?:\s?(?:x|ext\.?\s?)[0-9]{1,6})?)|"
    rb"(?P<brazilian>[1-9][0-9] [0-9]{4,5}-[0-9]{4})"
    rb")" + rb"(?![0-9]|[-./][0-9])"
)
_ZERO = re.compile(
    rb"(?<![0-9A-Za-z_.,/+-])(?:\(0[0-9]{1,5}\)|0[1-9][0-9]{0,4}(?=[ ./-]{1,3}[0-9])|\([1-9][0-9]{1,4}\)|"
    rb"0[0-9]{2,4}(?=[ /-]))"
    rb"(?:[ ./-]{0,3}[0-9]{1,8}){1,6}" + _EDGE
)
_BARE = re.compile(rb"\+?\(?[0-9](?:[ ./()-]{0,2}[0-9]){5,18}(?:\s?(?:x|ext\.?\s?)[0-9]{1,6})?(?![0-9])")
_PAIR = re.compile(
    rb"(?<![0-9A-Za-z_.])-?[0-9]{1,2}\.[0-9]{4,}\s?[,; /]\s?-?1?[0-9]{1,2}\.[0-9]{4,}(?![0-9.])"
)

# What words shortly before a number say that it is.
_TELLING = {
    "phone": """tel, phone, phones, telephone, telefone, telefono, teléfono, téléphone, tél, telefon, telefonnummer, mobil,
        mobile, handy, movil, móvil, celular, cellulare, cell, cellphone, fax, sms, whatsapp, rufnummer, portable, tlf,
        telefoon, mobiel, call me, call us, call him, call her, call them, call back, ring me, dial, dialled, text me,
        reach me, reach her, reach him, reach us""",
    "ssn": """ssn, social security, social insurance, national id, national insurance, nino, taxid, tax id, tin, itin,
        bsn, pesel, dni, nif, nie, cpf, nir, sécurité sociale, steuer-id, steuerid, steuernummer, sozialversicherungsnummer,
        codice fiscale, burgerservicenummer, personnummer, aadhaar, curp, citizen id, id card""",
    "passport": "passport, reisepass, passeport, pasaporte, passaporto, paspoort",
    "licence": """drivers license, driver license, driver's license, drivers licence, driver's licence, driving licence,
        führerschein, permis de conduire, rijbewijs""",
    "iban": "account, bank account, acct, konto, kontonummer, rekeningnummer, routing, sort code",
    "card": "card, credit card, debit card, kreditkarte, carte, tarjeta",
    "health": "mrn, medical record",
}
_PHRASES = [(phrase.split(), label) for label, phrases in _TELLING.items() for phrase in phrases.split(",")]
_TOLD = {"".join(words).encode(): label for words, label in _PHRASES}
_BETWEEN = rb"[ \t\r\f\v.:;,#()\[\]\"'=<>*]"  # what may stand beside words: blanks, and what is trimmed off them
# One of these words, written as one or with blanks in between. A number that only words tell is behind a match.
TELLING_WORDS = (
    b"[^a-z0-9](?:"
    + b"|".join((_BETWEEN + b"{0,6}").join(re.escape(word.encode()) for word in words) for words, _ in _PHRASES)
    + b")"
    + _BETWEEN
)
TELLING_BYTES = _BEFORE + 40  # from a match's end to that of the number's first seven digits there are at most so many
_FILLING = frozenset(b"number no nr num n\xc2\xba is was ist est es to at on of under the numero".split())
_NEEDS_NUMBER = frozenset(
    {b"account", b"card", b"carte", b"tarjeta", b"routing"}
)  # "account number", not "account"
_NUMBER_WORDS = frozenset(b"number no nr num numero".split())
_WORD_TRIM = b".:;,#()[]\"'=<>*"


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


def personal(text: bytes, start: int, end: int) -> list[Span]:
    """The personal numbers of the run between two offsets. Spans may overlap and come in no order."""
    run = text[start:end]
    count = len(run.translate(None, _NO_DIGITS))
    found: list[Span] = []
    if count < 7:
        return found
    limit = min(len(text), end + 12)  # an extension in letters may lie behind the run
    bare = len(run.strip(_SEPARATORS))
    if count >= 12:
        found += _cards(text, start, end)
    if b"+" in run or b"00" in run:
        found += _international(text, start, limit)
    if found and found[0][1] - found[0][0] >= bare:
        return found  # one number, and known: nothing else can be in the run
    if count >= 9:
        for match in _SHAPED.finditer(text, start, limit):
            label = _shaped(match)
            if label is not None:
                found.append((match.start(), match.end(), label))
    if b"0" in run or b"(" in run:
        for match in _ZERO.finditer(text, start, limit):
            if _dialled(match.group()):
                found.append((match.start(), match.end(), "phone"))
    if run.count(b".") >= 2:
        found += _coordinates(text, start, end)
    return found or _told(text, start, limit)


def _international(text: bytes, start: int, end: int) -> Iterator[Span]:
    for found in _INTERNATIONAL.finditer(text, start, end):
        digits = found.group().translate(None, _NO_DIGITS)
        separated = len(digits) != len(found.group()) - 1
        known = (
            digits[:3] != b"000" and (digits[:1] != b"0" or digits[:2] == b"00") and digits[-6:] != b"000000"
        )
        if known and 8 <= len(digits) <= 21 and (separated or len(digits) >= 9):
            yield found.start(), found.end(), "phone"


def _coordinates(text: bytes, start: int, end: int) -> Iterator[Span]:
    for found in _PAIR.finditer(text, start, end):
        first, second = re.findall(rb"[0-9]+\.", found.group())
        if int(first[:-1]) <= 90 and int(second[:-1]) <= 180:
            yield found.start(), found.end(), "geo"


def _cards(text: bytes, start: int, end: int) -> Iterator[Span]:
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
    if begin and _continues(text, begin):
        return None
    # Letters at either end make a short number a part of a name, and a long one no less a card.
    size_min = 15 if begin and text[begin - 1 : begin].isalnum() else 12
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
        least = 15 if text[groups[last][1] : groups[last][1] + 1].isalpha() else size_min
        if count >= least and _usual(sizes):
            digits = text[begin : groups[last][1]].translate(None, _NO_DIGITS)
            if validators.card(digits):
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
    return "ssn" if _CHECKS[str(kind)](value if kind == "ssn" else digits) else None


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "ssn": national.ssn_us,
    "cpf": national.cpf_br,
    "sin": national.sin_ca,
    "aadhaar": national.aadhaar_in,
    "personnummer": national.personnummer_se,
}


def _dialled(number: bytes) -> bool:
    """Whether a number with its area code is one: no date, no decimal, as many digits as telephones have."""
    digits = number.translate(None, _NO_DIGITS)
    if not 8 <= len(digits) <= 13 or len(digits) == len(number) or _NO_DIALLED.match(number):
        return False
    if len(digits) == 8 and number[:1] != b"(" and b"-" not in number and b"/" not in number:
        return False
    return b"." not in number or number.count(b".") >= 2 or number[:1] == b"("


def _told(text: bytes, start: int, end: int) -> list[Span]:
    """A number that a word before it names: its digits need no shape then."""
    number = _BARE.search(text, start, end)
    if number is None or _DATE.fullmatch(number.group()):
        return []
    at = number.start()
    first = at  # of an id the letters before its digits are a part
    while first and at - first < 3 and text[first - 1 : first].isalpha():
        first -= 1
    label = _said(text[max(0, first - _BEFORE) : first])
    return [] if label is None or (first < at and label == "phone") else [(first, number.end(), label)]


def _said(before: bytes) -> str | None:
    """What the words at the end of a text say that the number behind them is."""
    if b"\n" in before:
        before = before[before.rindex(b"\n") + 1 :]
    words = [word.strip(_WORD_TRIM) for word in before.lower().rsplit(None, 5)[-5:]]
    counted = False
    while words and (not words[-1] or words[-1] in _FILLING):
        counted = counted or words[-1] in _NUMBER_WORDS
        words.pop()
    for size in (3, 2, 1):
        word = b"".join(words[-size:])
        label = _TOLD.get(word) if len(words) >= size else None
        if label is not None:
            return label if counted or word not in _NEEDS_NUMBER else None
    return None
