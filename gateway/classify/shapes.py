"""What one value is by its own form: an e-mail address, a card, an account, a network address, a secret, a place on earth.

A value is judged whole (`kind`) or as a text that may have such things in it (`inside`). What only a column of values can
tell (phones, names, national numbers without a form of their own) is not here.
"""

import re
from ipaddress import ip_address
from itertools import pairwise

from gateway.classify.national import ssn_us
from gateway.classify.validators import card, compact, iban, iban_check

_EMAIL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-][\w.!#$%&'*+/=?^`{|}~-]{0,63}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}"
_EMAIL_WHOLE = re.compile(rf"(?:mailto:)?{_EMAIL}|[^<>@]{{0,80}}<{_EMAIL}>", re.IGNORECASE)
_EMAIL_INSIDE = re.compile(rf"(?<![\w.]){_EMAIL}")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:/\d{1,2}|:\d{1,5})?")
_IPV4_INSIDE = re.compile(rf"(?<![\w.])(?<!\w/)(?<!rv:){_IPV4.pattern}(?![\w.]*\w)")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%\w+)?(?:/\d{1,3})?")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_CARD = re.compile(r"\d(?:[ -]?\d){11,18}")
_CARD_INSIDE = re.compile(rf"(?<![\w.-]){_CARD.pattern}(?![\w-])")
_IBAN = re.compile(r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_IBAN_INSIDE = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
_SSN_INSIDE = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_PHONE_INSIDE = re.compile(
    r"(?<![\w+.-])(?:\+\d{1,3}[ ().-]{0,2}\d(?:[ ().-]{0,2}\d){6,12}|\(\d{3}\) ?\d{3}[-. ]\d{4}|\d{3}[-.]\d{3}[-.]\d{4})"
    r"(?![\w-])"
)
_PLACE = re.compile(
    r"[(\[]?\s*-?(?:[0-8]?\d|90)\.\d{3,}\s*[,; ]\s*-?(?:1[0-7]\d|180|\d?\d)\.\d{3,}\s*[)\]]?"
    r"|(?:SRID=\d+;)?POINT ?(?:Z ?)?\(-?\d+(?:\.\d+)? -?\d+(?:\.\d+)?(?: -?\d+(?:\.\d+)?)?\)",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"
    r"|(?<![A-Z0-9])(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?![A-Z0-9])"
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,}"
    r"|xox[abeprs]-[\w-]{10,}|(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}|sk-[\w-]{32,}"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|hooks\.slack\.com/services/\w+/\w+/\w+"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
    r"|\$2[abxy]\$\d\d\$[./A-Za-z0-9]{20,}|\$argon2(?:id?|d)\$v=|\$[156y]\$[^\s$]*\$[./A-Za-z0-9]{16,}|\$pbkdf2\S*\$\S{16,}"
    r"|pbkdf2_sha\d+\$\d+\$|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{20,}|SCRAM-SHA-256\$\d+:|scrypt:\d+:\d+:\d+\$"
)
_SIGNED_IN = re.compile(r"(?<![\w:/])[a-z][a-z0-9+]{2,15}://[^\s:/@]{1,64}:[^\s:/@]{3,}@")  # an address with a password
_DIGEST = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})|\*[0-9A-F]{40}|md5[0-9a-f]{32}")
_ICD10 = re.compile(r"[A-TV-Z]\d[0-9AB](?:\.[0-9A-Z]{1,4})?")
_VALUE_CHARACTERS_MAX = 400


def kind(value: str) -> str | None:
    """The label of a value that is nothing else: email, card, iban, ip, geo or secret."""
    if len(value) > _VALUE_CHARACTERS_MAX:
        return "secret" if value.startswith(("-----BEGIN", "eyJ")) and _SECRET.match(value) else None
    if "@" in value and _EMAIL_WHOLE.fullmatch(value):
        return "email"
    if value.isalpha() or value.isspace() or not value:
        return None
    secret = _secret(value)
    if secret is not None and secret.start() == 0 and (value[0] == "-" or not any(map(str.isspace, value))):
        return "secret"
    if _CARD.fullmatch(value) and card(compact(value.encode())):
        return "card"
    if _IBAN.fullmatch(value) and iban_check(value.encode("ascii", "replace")):
        return "iban"
    if _IPV4.fullmatch(value) or _MAC.fullmatch(value) or _is_ipv6(value):
        return "ip"
    return "geo" if _PLACE.fullmatch(value) else None


def _secret(value: str) -> re.Match[str] | None:
    """A secret in a text, the first one."""
    return _SECRET.search(value) or (_SIGNED_IN.search(value) if "://" in value else None)


def _is_ipv6(value: str) -> bool:
    if value.count(":") < 2 or not _IPV6.fullmatch(value):
        return False
    try:
        ip_address(value.partition("/")[0].partition("%")[0])
    except ValueError:
        return False
    return True


def inside(value: str) -> set[str]:
    """The labels of what a text has in it beside other words."""
    found: set[str] = set()
    if "@" in value and _EMAIL_INSIDE.search(value):
        found.add("email")
    if _secret(value) is not None:
        found.add("secret")
    if not any(letter.isdigit() for letter in value):
        return found
    if any(card(compact(hit[0].encode())) for hit in _CARD_INSIDE.finditer(value)):
        found.add("card")
    if any(iban(hit[0].encode()) for hit in _IBAN_INSIDE.finditer(value)):
        found.add("iban")
    if any(ssn_us(hit[0].encode()) for hit in _SSN_INSIDE.finditer(value)):
        found.add("ssn")
    if _IPV4_INSIDE.search(value):
        found.add("ip")
    if _PHONE_INSIDE.search(value):
        found.add("phone")
    return found


def is_digest(value: str) -> bool:
    """Whether it looks like the digest of a password: hexadecimal, of a hash's length."""
    return _DIGEST.fullmatch(value) is not None


def is_diagnosis_code(value: str) -> bool:
    """Whether it has the form of an ICD-10 code."""
    return _ICD10.fullmatch(value) is not None


_SYMBOLS = frozenset("!@#$%^&*()+=?~<>{}[]|")


def is_password(value: str) -> bool:
    """Whether it looks like a password in clear: 8 to 40 characters of at least three classes with a symbol, no space."""
    if not 8 <= len(value) <= 40 or not value.isascii() or any(letter.isspace() for letter in value):
        return False
    classes = (str.islower, str.isupper, str.isdigit)
    symbols = any(letter in _SYMBOLS for letter in value)
    return symbols and sum(any(map(test, value)) for test in classes) >= 2


_RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{20,200}")


def is_random(value: str) -> bool:
    """Whether it looks drawn at random from letters of both cases and digits: 20 characters and more, mixed all along."""
    if not _RANDOM.fullmatch(value) or "://" in value:
        return False
    changes = sum(_class(one) != _class(other) for one, other in pairwise(value))
    has_all = any(map(str.isdigit, value)) and any(map(str.isupper, value)) and any(map(str.islower, value))
    return has_all and changes >= len(value) * 0.4 and len(set(value)) >= 12


def _class(letter: str) -> int:
    return 0 if letter.isdigit() else 1 if letter.isupper() else 2
