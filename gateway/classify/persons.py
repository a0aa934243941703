"""Whether a column's values are persons' names or postal addresses, by what they have in common."""

import re
import unicodedata
from collections.abc import Sequence, Set

from gateway.classify.people import (
    CHINESE,
    DEGREES,
    FAMILY,
    FAMILY_ENDS,
    GIVEN,
    JAPANESE,
    KOREAN,
    NOT_IN_NAMES,
    PARTICLES,
    TITLES,
)

_PLAIN = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ß": "ss", "\u0131": "i"})
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*\.?")
_SAMPLE = 200
_LATIN = 0x24F  # the last of its letters that names have
_LOWER_SHARE = 0.4  # of values all of whose words are names, where nothing is capitalised
_PROBE = 20  # values by which a form is seen not to be theirs


def plain(word: str) -> str:
    """Lower case, accents gone."""
    flat = unicodedata.normalize("NFKD", word.translate(_PLAIN))
    return "".join(letter for letter in flat if not unicodedata.combining(letter)).lower()


def name_words(values: Sequence[str]) -> set[str]:
    """The words of names, plain."""
    return {plain(piece) for value in values[:_SAMPLE] for piece in _pieces(_parts(value.strip())) if len(piece) > 2}


def name_share(values: Sequence[str], known: Set[str] = frozenset()) -> float:
    """How sure it is that the values are persons' names, 0 to 1; 0 where their form says otherwise. `known`: more names than
    the lists have, plain."""
    sample = [value.strip() for value in values[:_SAMPLE]]
    if not sample:
        return 0.0
    eastern = sum(map(_eastern, sample)) / len(sample)
    if eastern > 0.5:
        return eastern
    if sum(bool(_parts(value)) for value in sample[:_PROBE]) < 0.5 * len(sample[:_PROBE]):
        return 0.0
    parts = [_parts(value) for value in sample]
    formed = [words for words in parts if words]
    if len(formed) < 0.85 * len(sample):
        return 0.0
    if sum(not words[0][0].islower() for words in formed) < 0.5 * len(formed):
        common = sum(all(_is_borne(plain(word), known) for word in words) for words in formed) / len(formed)
        return common if common >= _LOWER_SHARE else 0.0
    foreign = sum(ord(words[0][0]) > _LATIN for words in formed)
    if foreign > 0.8 * len(formed) and _as_names(formed):
        return 0.5
    borne = sum(any(_is_borne(plain(piece), known) for piece in _pieces(words)) for words in formed)
    ending = sum(plain(words[-1]).endswith(FAMILY_ENDS) for words in formed)
    return min(1.0, (borne + 0.4 * ending) / len(formed)) * len(formed) / len(sample)


def _is_borne(word: str, known: Set[str]) -> bool:
    return word in GIVEN or word in FAMILY or word in known


def _pieces(words: Sequence[str]) -> list[str]:
    return [piece for word in words for piece in (word, *word.split("-"))]


def _parts(value: str) -> list[str]:
    """The words of what may be a name, without title and particles; none where it cannot be one."""
    if not 2 <= len(value) <= 60:
        return []
    words = (" ".join(reversed(value.split(", "))) if value.count(", ") == 1 else value).split()
    while len(words) > 1 and _mark(words[0]) in TITLES:
        del words[0]
    while len(words) > 1 and _mark(words[-1]) in DEGREES:
        del words[-1]
    if not 1 <= len(words) <= 6:
        return []
    kept = [word for word in words if word.lower() not in PARTICLES]
    if not kept or len(kept) > 4 or any(not _WORD.fullmatch(word) or word.lower() in NOT_IN_NAMES for word in kept):
        return []
    return kept if all(word[0].isupper() for word in kept) or (value.islower() and len(kept) <= 3) else []


def _mark(word: str) -> str:
    return word.rstrip(".,").replace(".", "").lower()


def _as_names(formed: Sequence[list[str]]) -> bool:
    """Two or three words, in the first and the last place each time another: names in letters for which there is no list."""
    several = [words for words in formed if 2 <= len(words) <= 3]
    firsts, lasts = {words[0] for words in several}, {words[-1] for words in several}
    return len(several) > 0.9 * len(formed) and min(len(firsts), len(lasts)) > 0.4 * len(formed)


def _eastern(value: str) -> bool:
    """Chinese, Japanese and Korean names by how they are made."""
    compact = value.replace(" ", "").replace("\u3000", "")
    if not 2 <= len(compact) <= 6 or not all(0x3040 <= ord(letter) <= 0xD7A3 for letter in compact):
        return False
    if all(ord(letter) >= 0xAC00 for letter in compact):
        return compact[0] in KOREAN and len(compact) in (2, 3, 4)
    return (compact[0] in CHINESE and len(compact) <= 4) or (compact[0] in JAPANESE and len(compact) >= 3)


_STREET_BEFORE = (
    "rue|avenue|av|boulevard|bd|chemin|allee|impasse|place|quai|route|cours|via|viale|piazza|corso|largo|contrada|rotonda|vicolo|strada"
    "|borgo|incrocio|canale|stretto|calle|avenida|avda|plaza|paseo|camino|carretera|ronda|travesia|pasaje|pasadizo|glorieta|callejon"
    "|cuesta|urbanizacion|acceso|alameda|rambla|vial|canada|rua|travessa|praca|rodovia|estrada|viaduto|jardim|quadra|setor|sitio|vila"
    "|ladeira|loteamento|conjunto|condominio|nucleo|parque|residencial|recanto|passarela|patio|area|campo|chacara|colonia|distrito"
    "|esplanada|estacao|favela|fazenda|feira|lagoa|lago|morro|trecho|trevo|vale|vereda|aeroporto|ul|ulica|al|aleja|aleje|pl|plac|os"
    "|вулиця|вул|провулок|проспект|площа|набережна|сквер|бульвар|улица|пер|шоссе|osiedle|unit|psc|box|apt|flat|studio|calea|aleea|bulevardul|splaiul|intrarea|str|ulitsa|prospekt|ул|улица|пр|пер|наб|ш|бул"
)
_STREET_AFTER = (
    "street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|pl|square|sq|terrace|ter|crescent|close|circle"
    "|cir|parkway|parkways|pkwy|highway|hwy|trail|trl|alley|mews|grove|gardens|row|hill|loop|plaza|point|path|ridge|run|walk|view|rise"
    "|park|suite|apt|floor|mall|ride|rest|strand|approach|arcade|esplanade|parade|cove|bend|grange|glen|green|heights|junction"
)
_STREET_ENDS = (
    "strasse|str|weg|gasse|allee|platz|ring|damm|ufer|steig|straat|laan|plein|kade|dreef|hof|pad|steeg|singel|gracht|baan|dijk|hage"
    "|gatan|gata|vagen|vag|torget|torg|grand|stigen|vej|gade|veien|vegen|gaten|katu|tie|kuja|utca|ut|ter|sokak|sokagi|cadde|caddesi|sk|cd"
    "|boulevarden|rinne|polku|raitti|ulice|namesti"
)
_STREET = re.compile(
    rf"(?<![^\W\d_])(?:{_STREET_BEFORE})\b\.?[ ]|(?<![^\W\d_])(?:{_STREET_AFTER})\b\.?|[^\W\d_](?:{_STREET_ENDS})\b\.?",
    re.IGNORECASE,
)
_POSTCODE = re.compile(
    r"\b[A-Z]{2} \d{5}(?:-\d{4})?\b|\b\d{5}(?:-\d{4})?[, ]+[^\W\d_]|\b\d{4} ?[A-Z]{2}\b|\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b"
    r"|\b\d{4}$|\b\d{5}-\d{3}\b|\b\d{8}\b|\b\d{2}-\d{3}\b|\b\d{3} \d{2}\b|\b\d{4} [^\W\d_]|\b\d{5,6}\b|\u3012?\d{3}-\d{4}"
)
_EASTERN_PLACE = re.compile("[都道府県市区町村丁目省县路街号室시도구동로길]")


def address_share(values: Sequence[str]) -> float:
    """The share of the values that are postal addresses or a street with its number."""
    sample = values[:_SAMPLE]
    if sum(map(_address, sample[:_PROBE])) < 0.2 * len(sample[:_PROBE]):
        return 0.0
    return sum(map(_address, sample)) / len(sample) if sample else 0.0


def _address(value: str) -> bool:
    if not 6 <= len(value) <= 200 or not any(letter.isdigit() for letter in value):
        return False
    if len(_EASTERN_PLACE.findall(value)) >= 2:
        return True
    letters = sum(letter.isalpha() for letter in value)
    if letters < 4 or "://" in value or "@" in value:
        return False
    street = _STREET.search(plain(value)) is not None
    number = re.search(r"(?<![\w.])\d{1,5}[A-Za-z]?(?:[-/]\d+[A-Za-z]?)?(?![\w.:%])", value) is not None
    postcode = _POSTCODE.search(value) is not None
    if postcode and ("\n" in value or "," in value) and street and letters > 8:
        return True
    short = len(value) <= 80 and len(value.split()) <= 12
    return (street and number and short) or (postcode and number and "\n" in value)
