"""Whether digits are what they look like: check digits and issued ranges of cards, accounts and national ids.

Every function takes ASCII digits (or letters where said) without separators and raises nothing.
"""

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
# Verhoeff's tables, a row of ten digits after another.
_VERHOEFF_D = (
    "0123456789123406789523401789563401289567401239567859876043216598710432765982104387659321049876543210"
)
_VERHOEFF_P = "01234567891576283094580379614289160435279453126870428657390127938064157046913258"
# Account numbers by country: characters in all (ISO 13616 registry).
_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM TL SO",
    24: "AD CZ ES MD PK RO SA SE SK TN VG DZ",
    25: "LY PT ST AO MZ CV",
    26: "IS TR",
    27: "BF BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SN SV CI BJ ML MG CM",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
IBAN_LENGTHS = {
    country.encode(): size for size, countries in _IBAN_COUNTRIES.items() for country in countries.split()
}
_DNI_LETTERS = b"TRWAGMYFPDXBNJZSQVHLCKE"
# What Italy's digits and letters count in odd places.
_CODICE_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        bytes.fromhex("01000507090d0f11131501000507090d0f111315020412140b0306080c0e100a16191817"),
        strict=True,
    )
)


def luhn(digits: bytes) -> bool:
    """The check digit of cards and others (ISO/IEC 7812-1)."""
    total = 0
    for place, byte in enumerate(reversed(digits)):
        total += _DOUBLED[byte - 48] if place & 1 else byte - 48
    return total % 10 == 0


def card(digits: bytes) -> bool:
    """A payment card's number: of an issuer, of a length it gives out, and checked."""
    size = len(digits)
    return 12 <= size <= 19 and _issued(digits, size) and luhn(digits)


def _issued(digits: bytes, size: int) -> bool:
    four = int(digits[:4])
    two = four // 100
    if two // 10 == 4:
        return size in (13, 16, 19)  # Visa
    if 51 <= two <= 55 or 2221 <= four <= 2720 or 2200 <= four <= 2204:
        return size == 16  # Mastercard, Mir
    if two in (34, 37):
        return size == 15  # American Express
    if two in (36, 38, 39) or 3000 <= four <= 3059 or four // 10 == 309:
        return size in (14, 16)  # Diners Club
    if two == 35:
        return size in (16, 19)  # JCB
    if four in (2131, 1800):
        return size == 15
    if four == 6011 or two == 65 or 6440 <= four <= 6499:
        return size in (16, 19)  # Discover
    if two in (60, 62, 81):
        return size >= 16  # UnionPay, RuPay
    return two in (50, 56, 57, 58, 63, 67) or four == 604  # Maestro


def iban(account: bytes) -> bool:
    """An international bank account number, any case: its country's length, remainder 1 modulo 97 (ISO 13616)."""
    account = account.upper()
    if IBAN_LENGTHS.get(account[:2]) != len(account) or not account.isalnum():
        return False
    turned = account[4:] + account[:4]
    return int("".join(str(int(chr(byte), 36)) for byte in turned)) % 97 == 1


def us_ssn(digits: bytes) -> bool:
    """A number that the social security administration may have given out, or an individual taxpayer's."""
    area, group = digits[:3], digits[3:5]
    if area in (b"000", b"666") or group == b"00" or digits[5:] == b"0000":
        return False
    return area[0] != 57 or group >= b"50"  # 9..: taxpayer numbers have their own groups


def cpf(digits: bytes) -> bool:
    """Brazil: eleven digits, two of them checks."""
    values = [byte - 48 for byte in digits]
    if len(values) != 11 or len(set(values)) == 1:
        return False
    for size in (9, 10):
        rest = sum(value * (size + 1 - at) for at, value in enumerate(values[:size])) * 10 % 11 % 10
        if rest != values[size]:
            return False
    return True


def aadhaar(digits: bytes) -> bool:
    """India: twelve digits with Verhoeff's check, not beginning with 0 or 1."""
    if len(digits) != 12 or digits[0] < 50:
        return False
    state = 0
    for place, byte in enumerate(reversed(digits)):
        state = int(_VERHOEFF_D[10 * state + int(_VERHOEFF_P[place % 8 * 10 + byte - 48])])
    return state == 0


def nir(digits: bytes) -> bool:
    """France: thirteen digits and two of key; Corsica's letters are read as PostgreSQL's users write them, digits only."""
    return len(digits) == 15 and digits[:1] in b"12" and 97 - int(digits[:13]) % 97 == int(digits[13:])


def chinese_id(code: bytes) -> bool:
    """China: seventeen digits with a date of birth, and a check digit that may be X."""
    if len(code) != 18 or not code[:17].isdigit() or not plausible_date(code[6:10], code[10:12], code[12:14]):
        return False
    rest = sum((byte - 48) * (1 << (17 - at)) for at, byte in enumerate(code[:17])) % 11
    return b"10X98765432"[rest] == code.upper()[17]


def personnummer(digits: bytes) -> bool:
    """Sweden: six digits of a date, four more, Luhn's check; a century before them counts for nothing."""
    digits = digits[-10:]
    return plausible_date(b"2000", digits[2:4], digits[4:6]) and luhn(digits)


def dni(code: bytes) -> bool:
    """Spain: eight digits and their letter, or X, Y, Z, seven digits and the letter."""
    code = code.upper()
    number = code[:-1].translate(bytes.maketrans(b"XYZ", b"012"))
    return len(code) == 9 and number.isdigit() and _DNI_LETTERS[int(number) % 23] == code[8]


def codice_fiscale(code: bytes) -> bool:
    """Italy: sixteen letters and digits, the last a check."""
    text = code.upper().decode("latin-1")
    total = sum(
        _CODICE_ODD[letter] if at % 2 == 0 else int(letter, 36) - (0 if letter.isdigit() else 10)
        for at, letter in enumerate(text[:15])
    )
    return chr(65 + total % 26) == text[15]


def plausible_date(year: bytes, month: bytes, day: bytes) -> bool:
    """Whether such a day may be on a calendar in the last centuries."""
    return 1850 <= int(year) <= 2100 and 1 <= int(month) <= 12 and 1 <= int(day) <= 31
