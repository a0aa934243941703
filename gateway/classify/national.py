"""National numbers: of taxpayers, the insured, residents, by the check digits and forms of some thirty countries.

As in `validators`: `digits` are digits alone, as many as the number has; `text` is anything, with the usual separators.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from gateway.classify.validators import compact, date6, luhn, weighted

_HYPHENATED = re.compile(rb"[0-9]{3}-[0-9]{2}-[0-9]{4}")


def ssn_us(text: bytes) -> bool:
    """A Social Security number, or an individual taxpayer's, whose groups begin at 50: no check digit, only numbers that are
    never given out. With its hyphens every one is believed: nothing else is written so, and systems hold made-up ones."""
    digits = compact(text)
    if len(digits) != 9 or not digits.isdigit():
        return False
    if _HYPHENATED.fullmatch(text.strip()):
        return True
    given = digits[:3] not in (b"000", b"666") and digits[3:5] != b"00" and digits[5:] != b"0000"
    return given and (digits[0] != 57 or digits[3] >= 53)


def nino_gb(text: bytes) -> bool:
    """A National Insurance number; T ends those that were given out for a time."""
    found = re.fullmatch(rb"([A-Z]{2})[0-9]{6}[A-DT]", compact(text))
    return found is not None and not re.search(rb"^[DFIQUV]|^.[DFIOQUV]", found[1]) and found[1] not in (
        b"BG", b"GB", b"KN", b"NK", b"NT", b"TN",
    )  # fmt: skip


def nhs_gb(digits: bytes) -> bool:
    """An NHS number."""
    check = 11 - weighted(digits, range(10, 1, -1)) % 11
    return check != 10 and digits[9] - 48 == check % 11


def steuer_id_de(digits: bytes) -> bool:
    """An Identifikationsnummer: one digit comes twice or three times among the first ten, ISO 7064 mod 11,10."""
    if digits[0] == 48 or len(set(digits[:10])) not in (8, 9):
        return False
    return _iso7064_11_10(digits)


def _iso7064_11_10(digits: bytes) -> bool:
    product = 10
    for digit in digits[:-1]:
        total = (digit - 48 + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == digits[-1] - 48


def rvnr_de(text: bytes) -> bool:
    """A Rentenversicherungsnummer."""
    text = compact(text)
    if not re.fullmatch(rb"[0-9]{8}[A-Z][0-9]{3}", text) or not 1 <= int(text[4:6]) <= 12:
        return False
    digits = text[:8] + b"%02d" % (text[8] - 64) + text[9:11]
    products = [(digit - 48) * weight for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)]
    return sum(each // 10 + each % 10 for each in products) % 10 == text[11] - 48


def nir_fr(text: bytes) -> bool:
    """A numero de securite sociale with its key; Corsica's departments have letters."""
    text = compact(text).replace(b"2A", b"19").replace(b"2B", b"18")
    if not re.fullmatch(rb"[1-478][0-9]{14}", text):
        return False
    month = int(text[3:5])
    return (1 <= month <= 12 or 20 <= month <= 42 or month >= 50) and 97 - int(text[:13]) % 97 == int(text[13:])


def dni_es(text: bytes) -> bool:
    """A DNI or NIE with its letter."""
    found = re.fullmatch(rb"([XYZ]?)([0-9]{7,8})([A-Z])", compact(text))
    if found is None or len(found[1]) + len(found[2]) != 8:
        return False
    lead = b"%d" % b"XYZ".index(found[1]) if found[1] else b""
    return b"TRWAGMYFPDXBNJZSQVHLCKE"[int(lead + found[2]) % 23 :][:1] == found[3]


_FISCAL_ODD = dict(zip(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21,
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
), strict=True))  # fmt: skip
_FISCAL_EVEN = {sign: sign - 48 if sign < 58 else sign - 65 for sign in _FISCAL_ODD}


def codice_fiscale_it(text: bytes) -> bool:
    """A codice fiscale with its letter."""
    text = compact(text)
    if not re.fullmatch(rb"[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]", text):
        return False
    total = sum(_FISCAL_ODD[sign] for sign in text[0:15:2]) + sum(_FISCAL_EVEN[sign] for sign in text[1:15:2])
    return text[15] == 65 + total % 26


def oib_hr(digits: bytes) -> bool:
    """A Croatian OIB."""
    return _iso7064_11_10(digits)


def bsn_nl(digits: bytes) -> bool:
    """A burgerservicenummer (the eleven test)."""
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def cpf_br(digits: bytes) -> bool:
    """A CPF, both check digits."""
    for length in (9, 10):
        if weighted(digits[:length], range(length + 1, 1, -1)) * 10 % 11 % 10 != digits[length] - 48:
            return False
    return len(set(digits)) > 1


def pesel_pl(digits: bytes) -> bool:
    """A PESEL with a date that its century codes allow."""
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    return 1 <= month <= 12 and 1 <= day <= 31 and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def personnummer_se(text: bytes) -> bool:
    """A personnummer or samordningsnummer of 10 or 12 digits."""
    digits = text.translate(None, b" -+")
    if not re.fullmatch(rb"(?:18|19|20)?[0-9]{10}", digits):
        return False
    digits = digits[-10:]
    day = int(digits[4:6])
    return 1 <= int(digits[2:4]) <= 12 and (1 <= day <= 31 or 61 <= day <= 91) and luhn(digits)


_DIHEDRAL = (
    b"0123456789", b"1234067895", b"2340178956", b"3401289567", b"4012395678",
    b"5987604321", b"6598710432", b"7659821043", b"8765932104", b"9876543210",
)  # fmt: skip
_TURNED = (
    b"0123456789", b"1576283094", b"5803796142", b"8916043527", b"9453126870", b"4286573901", b"2793806415", b"7046913258",
)  # fmt: skip


def aadhaar_in(digits: bytes) -> bool:
    """An Aadhaar number (Verhoeff); the first digit is neither 0 nor 1."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _DIHEDRAL[check][_TURNED[place % 8][digit - 48] - 48] - 48
    return digits[0] > 49 and check == 0


def ahv_ch(digits: bytes) -> bool:
    """An AHV number: EAN-13 within 756."""
    return digits[:3] == b"756" and weighted(digits, (1, 3) * 6 + (1,)) % 10 == 0


def svnr_at(digits: bytes) -> bool:
    """An Austrian Sozialversicherungsnummer: serial, check, birth date."""
    return date6(digits[4:], "dmy") and weighted(digits, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == digits[3] - 48


def rijksregister_be(digits: bytes) -> bool:
    """A Belgian national number; those born since 2000 are counted with a 2 before."""
    serial, check = digits[:9], int(digits[9:])
    return int(digits[2:4]) <= 12 and check in (97 - int(serial) % 97, 97 - int(b"2" + serial) % 97)


def fodselsnummer_no(digits: bytes) -> bool:
    """A Norwegian fodselsnummer or D number, both check digits."""
    return (
        1 <= (int(digits[:2]) - 1) % 40 + 1 <= 31
        and 1 <= int(digits[2:4]) % 40 <= 12
        and weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def cpr_dk(text: bytes) -> bool:
    """A Danish CPR number: a date and four digits; its check digit is no longer kept to."""
    return re.fullmatch(rb"[0-9]{6}-?[0-9]{4}", text) is not None and date6(text[:6], "dmy")


def hetu_fi(text: bytes) -> bool:
    """A Finnish henkilotunnus."""
    found = re.fullmatch(rb"([0-9]{6})[-+A-FU-Y]([0-9]{3})([0-9A-Y])", text.upper())
    if found is None or not date6(found[1], "dmy"):
        return False
    return b"0123456789ABCDEFHJKLMNPRSTUVWXY"[int(found[1] + found[2]) % 31 :][:1] == found[3]


def birth_number_cz(text: bytes) -> bool:
    """A Czech or Slovak rodne cislo; those of nine digits, from before 1954, have no check."""
    digits = compact(text)
    if not re.fullmatch(rb"[0-9]{9,10}", digits) or (len(digits) == 10 and int(digits) % 11):
        return False
    return 1 <= int(digits[2:4]) % 50 % 20 <= 12 and 1 <= int(digits[4:6]) <= 31


def cnp_ro(digits: bytes) -> bool:
    """A Romanian CNP."""
    check = weighted(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return digits[0] > 48 and date6(digits[1:7], "ymd") and (1 if check == 10 else check) == digits[12] - 48


def tckn_tr(digits: bytes) -> bool:
    """A Turkish identity number."""
    odd, even = sum(digits[0:9:2]) - 5 * 48, sum(digits[1:8:2]) - 4 * 48
    tenth = (odd * 7 - even) % 10
    return digits[0] > 48 and tenth == digits[9] - 48 and (odd + even + tenth) % 10 == digits[10] - 48


def nif_pt(digits: bytes) -> bool:
    """A Portuguese NIF of a person."""
    check = 11 - weighted(digits, range(9, 1, -1)) % 11
    return digits[:1] in b"123" and (0 if check > 9 else check) == digits[8] - 48


def taj_hu(digits: bytes) -> bool:
    """A Hungarian TAJ number."""
    return weighted(digits, (3, 7) * 4) % 10 == digits[8] - 48


def snils_ru(digits: bytes) -> bool:
    """A Russian SNILS."""
    return weighted(digits, range(9, 0, -1)) % 101 % 100 == int(digits[9:])


def inn_ru(digits: bytes) -> bool:
    """A Russian person's INN."""
    tail = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    return weighted(digits, tail[1:]) % 11 % 10 == digits[10] - 48 and weighted(digits, tail) % 11 % 10 == digits[11] - 48


def resident_cn(text: bytes) -> bool:
    """A Chinese resident identity number of 18 characters."""
    if not re.fullmatch(rb"[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx]", text) or not date6(text[8:14], "ymd"):
        return False
    total = weighted(text[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return b"10X98765432"[total % 11] == text.upper()[17]


def my_number_jp(digits: bytes) -> bool:
    """A Japanese individual number."""
    rest = weighted(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == digits[11] - 48


def rrn_kr(text: bytes) -> bool:
    """A Korean resident registration number: date, sex and century; since 2020 without a check digit."""
    return re.fullmatch(rb"[0-9]{6}-?[1-8][0-9]{6}", text) is not None and date6(text[:6], "ymd")


def curp_mx(text: bytes) -> bool:
    """A Mexican CURP, by its form."""
    return re.fullmatch(rb"[A-Z]{4}[0-9]{2}(?:0[1-9]|1[0-2])[0-3][0-9][HMX][A-Z]{5}[0-9A-Z][0-9]", text.upper()) is not None


def sin_ca(digits: bytes) -> bool:
    """A Canadian social insurance number."""
    return digits[0] != 48 and luhn(digits)


def tfn_au(digits: bytes) -> bool:
    """An Australian tax file number."""
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


class NationalNumber(NamedTuple):
    """`form`: what a whole value looks like, separators included. `odds`: how many of a thousand random texts of that form
    pass `check`. Where `plain`, check takes the digits alone. `marked`: the form itself is telling (letters in their places,
    separators of its own), so that values of no other kind look so."""

    country: str
    form: re.Pattern[bytes]
    check: Callable[[bytes], bool]
    odds: int
    plain: bool = True
    marked: bool = False

    def holds(self, text: bytes) -> bool:
        """Whether a whole value is one."""
        if not self.form.fullmatch(text):
            return False
        return self.check(compact(text) if self.plain else text)


def _number(
    country: str, form: bytes, check: Callable[[bytes], bool], odds: int, *, plain: bool = True, marked: bool = False
) -> NationalNumber:
    return NationalNumber(country, re.compile(form, re.IGNORECASE), check, odds, plain, marked)


NATIONAL_NUMBERS: tuple[NationalNumber, ...] = (
    _number("US", rb"[0-9]{3}-[0-9]{2}-[0-9]{4}", ssn_us, 940, marked=True),
    _number("GB", rb"[A-Z]{2}(?: ?[0-9]{2}){3} ?[A-DT]", nino_gb, 500, plain=False, marked=True),
    _number("DE", rb"[0-9]{2} ?[0-9]{6} ?[A-Z] ?[0-9]{3}", rvnr_de, 12, plain=False, marked=True),
    _number("FR", rb"[1-478](?: ?[0-9]{2}){2} ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", nir_fr, 8, plain=False),
    _number("ES", rb"(?:[0-9]{8}|[XYZ]-?[0-9]{7})[- ]?[A-Z]", dni_es, 43, plain=False, marked=True),
    _number("IT", rb"[A-Z]{6} ?[0-9A-Z]{5} ?[0-9A-Z]{5}", codice_fiscale_it, 1, plain=False, marked=True),
    _number("FI", rb"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]", hetu_fi, 11, plain=False, marked=True),
    _number("MX", rb"[A-Z]{4}[0-9]{6}[A-Z]{6}[0-9A-Z]{2}", curp_mx, 100, plain=False, marked=True),
    _number("BR", rb"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", cpf_br, 10, marked=True),
    _number("CH", rb"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}", ahv_ch, 100, marked=True),
    _number("CN", rb"[1-9][0-9]{16}[0-9X]", resident_cn, 4, plain=False, marked=True),
    _number("BE", rb"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", rijksregister_be, 10, marked=True),
    _number("SE", rb"(?:18|19|20)?[0-9]{6}[-+][0-9]{4}", personnummer_se, 7, plain=False, marked=True),
    _number("RU", rb"[0-9]{3}-[0-9]{3}-[0-9]{3}[- ][0-9]{2}", snils_ru, 10, marked=True),
    _number("KR", rb"[0-9]{6}-[1-8][0-9]{6}", rrn_kr, 40, plain=False, marked=True),
    _number("DK", rb"[0-9]{6}-[0-9]{4}", cpr_dk, 37, plain=False, marked=True),
    _number("CZ", rb"[0-9]{6}/[0-9]{3,4}", birth_number_cz, 6, plain=False, marked=True),
    _number("CA", rb"[1-9][0-9]{2}[- ][0-9]{3}[- ][0-9]{3}", sin_ca, 100),
    _number("AU", rb"[0-9]{3} [0-9]{3} [0-9]{3}", tfn_au, 91),
    _number("IN", rb"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}", aadhaar_in, 100),
    _number("BR", rb"[0-9]{11}", cpf_br, 10),
    _number("PL", rb"[0-9]{11}", pesel_pl, 19),
    _number("NO", rb"[0-9]{6} ?[0-9]{5}", fodselsnummer_no, 3),
    _number("BE", rb"[0-9]{11}", rijksregister_be, 10),
    _number("DE", rb"[1-9][0-9](?: ?[0-9]{3}){3}", steuer_id_de, 30),
    _number("TR", rb"[1-9][0-9]{10}", tckn_tr, 10),
    _number("RU", rb"[0-9]{11}", snils_ru, 10),
    _number("HR", rb"[0-9]{11}", oib_hr, 100),
    _number("RU", rb"[0-9]{12}", inn_ru, 9),
    _number("JP", rb"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}", my_number_jp, 100),
    _number("RO", rb"[1-9][0-9]{12}", cnp_ro, 4),
    _number("SE", rb"(?:(?:18|19|20)[0-9]{10}|[0-9]{10})", personnummer_se, 7, plain=False),
    _number("AT", rb"[0-9]{4} ?[0-9]{6}", svnr_at, 4),
    _number("GB", rb"[0-9]{3}[- ]?[0-9]{3}[- ]?[0-9]{4}", nhs_gb, 91),
    _number("CZ", rb"[0-9]{10}", birth_number_cz, 6, plain=False),
    _number("NL", rb"[0-9]{9}", bsn_nl, 91),
    _number("PT", rb"[1-3][0-9]{8}", nif_pt, 91),
    _number("HU", rb"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", taj_hu, 100),
    _number("CA", rb"[1-9][0-9]{8}", sin_ca, 100),
)  # fmt: skip


def national_number(text: bytes) -> NationalNumber | None:
    """The first country whose form and check a whole value keeps."""
    return next((each for each in NATIONAL_NUMBERS if each.holds(text)), None)
