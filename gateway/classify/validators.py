"""Check digits and fixed forms: whether a text can be a card or a bank account; and what national numbers are checked with.

All take the value as ASCII bytes. Those that take `digits` want digits alone, as many as the number has; those that take
`text` take anything, and forgive the separators that the form is usually written with. A check digit lets one random number
in ten or eleven through: what one value proves and what only a column of them proves is for the caller to weigh.
"""

import re
from collections.abc import Sequence


def compact(text: bytes) -> bytes:
    """Without spaces, dashes, dots and slashes; upper case."""
    return text.translate(None, b" -./").upper()


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: bytes) -> bool:
    """ISO/IEC 7812-1 annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += _DOUBLED[digit - 48] if place & 1 else digit - 48
    return total % 10 == 0


# Who issues cards: first digits, and the lengths that go with them. Bar codes pass Luhn one time in ten and lie outside.
_ISSUERS = {
    "4": (13, 16, 19),  # Visa
    "51-55 2221-2720": (16,),  # Mastercard
    "34 37": (15,),  # American Express
    "300-305 3095 36 38-39": (14, 16),  # Diners Club
    "6011 644-659": (16, 19),  # Discover
    "508 60 81-82": (16,),  # RuPay
    "62 81": (16, 17, 18, 19),  # UnionPay
    "3528-3589": (16, 19),  # JCB
    "1800 2131": (15,),
    "5018 5020 5038 56-58 6304 639 6759-6763": tuple(range(12, 20)),  # Maestro
    "0604": (12,),
    "2200-2204 9792": (16,),  # Mir, Troy
}


def _issued() -> tuple[frozenset[int], ...]:
    """The lengths of cards by their first four digits."""
    found: list[set[int]] = [set() for _ in range(10000)]
    for prefixes, lengths in _ISSUERS.items():
        for prefix in prefixes.split():
            low, _, high = prefix.partition("-")
            for first in range(int(low.ljust(4, "0")), int((high or low).ljust(4, "9")) + 1):
                found[first].update(lengths)
    alike: dict[frozenset[int], frozenset[int]] = {}
    return tuple(alike.setdefault(frozenset(each), frozenset(each)) for each in found)


_ISSUED = _issued()


def card(digits: bytes) -> bool:
    """A payment card's number: an issuer's range, the length that goes with it, Luhn, and not one digit over and over."""
    return len(digits) >= 12 and len(digits) in _ISSUED[int(digits[:4])] and luhn(digits) and len(set(digits)) > 1


def bar_code(digits: bytes) -> bool:
    """A GTIN (EAN, UPC, ISBN-13) by its check digit."""
    return sum((digit - 48) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits))) % 10 == 0


# Characters of an account number by country, those of its check included (ISO 13616 registry, and countries of Africa that
# use the form without being in it).
_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ DZ ES MD PK RO SA SE SK TN VG",
    25: "AO CV LY MZ PT ST",
    26: "IS TR",
    27: "BF BI DJ FR GR IT MC MR SM",
    28: "AL AZ BJ BY CI CM CY DO GT HN HU LB MG ML NI PL SN SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
IBAN_LENGTHS = {
    country.encode(): size for size, countries in _IBAN_COUNTRIES.items() for country in countries.split()
}
_IBAN = re.compile(rb"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}")
_BASE36 = {sign: str(value) for value, sign in enumerate(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def iban(text: bytes) -> bool:
    """An account number of a country that has them, in its length, with remainder 1 modulo 97 (ISO 13616)."""
    text = compact(text)
    return IBAN_LENGTHS.get(text[:2]) == len(text) and iban_check(text)


def iban_check(text: bytes) -> bool:
    """Modulo 97 alone, whatever the country and the length."""
    text = compact(text)
    if not _IBAN.fullmatch(text):
        return False
    return int("".join([_BASE36[sign] for sign in text[4:] + text[:4]])) % 97 == 1


def date6(digits: bytes, order: str) -> bool:
    """Whether six digits are a date without its century. `order`: "ymd" or "dmy"."""
    if len(digits) != 6 or not digits.isdigit():
        return False
    month, day = int(digits[2:4]), int(digits[4:6] if order == "ymd" else digits[:2])
    return 1 <= month <= 12 and 1 <= day <= 31


def weighted(digits: bytes, weights: Sequence[int]) -> int:
    """The sum of the digits, each times its weight."""
    return sum((digit - 48) * weight for digit, weight in zip(digits, weights, strict=False))
