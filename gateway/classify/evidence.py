"""What is said of a column, weighed: its name, type, domain and comment, and what a sample of its values showed."""

from typing import NamedTuple

from gateway.classify.content import Finding
from gateway.classify.names import label as label_by_name
from gateway.classify.names import of_people, split
from gateway.classify.vocabulary import ABOUT

_BY_NAME = 0.9
_BY_TYPE = 0.95
_BY_DOMAIN = 0.85
_BY_COMMENT = 0.6
_INET = frozenset({869, 774, 829, 1041, 775, 1040})
_COMMENT_WORDS_MAX = 15
# One word of these in a comment says what the column holds; of other labels it takes two words that belong together.
_PLAIN_SPOKEN = frozenset(
    {
        "email", "ssn", "iban", "passport", "diagnosis", "medication", "salary", "password", "passwords", "birthdate",
        "birthday", "dob", "surname", "msisdn", "telephone", "cpf", "nino", "bsn", "pesel", "mrn", "fingerprint",
    }
)  # fmt: skip
_PERSONAL_MARKS = frozenset({"pii", "gdpr", "phi", "dsgvo", "rgpd", "spi"})
_PLACES = frozenset(
    {"location", "loc", "position", "pos", "point", "place", "home", "address", "gps", "coordinates", "coords", "geo"}
)
_PLACE_TYPES = frozenset({"point", "geography", "geometry"})

_TEXTS = frozenset({25, 1043, 1042, 1009, 1015, 1014})
_DOCUMENTS = frozenset({114, 3802, 142})
_NUMBERS = frozenset({20, 23, 1700})
_DATES = frozenset({1082, 1114})
_TEXT_TYPES = frozenset({"citext"})
_DOCUMENT_TYPES = frozenset({"hstore", "json", "jsonb", "xml"})
_FIRST_OF_USERS = 16384  # oids of types that PostgreSQL does not bring along
# Of these no value can be somebody's but by a label: numbers, moments, truth values, enumerations, shapes, bits.
_SILENT_CATEGORIES = frozenset("NDTBEGVIR")
# The same among the types of category U and others: uuid, identifiers of the server, tsquery, pg_lsn.
_SILENT = frozenset(
    {
        16, 18, 20, 21, 23, 24, 26, 27, 28, 29, 600, 601, 602, 603, 604, 628, 650, 700, 701, 718, 774, 790, 829, 869,
        1000, 1005, 1007, 1016, 1021, 1022, 1082, 1083, 1114, 1115, 1182, 1184, 1185, 1186, 1231, 1266, 1560, 1562, 1700,
        2950, 2951, 3220, 3615,
    }
)  # fmt: skip


class Told(NamedTuple):
    """What the catalogue tells of a column. `type_oid`, `type_name` and `category` (pg_type.typcategory): of the base type
    for domains; "" where that is not known. `domain`: the domain's name. `comment`: the column's."""

    table: str
    name: str
    type_oid: int
    type_name: str = ""
    category: str = ""
    domain: str = ""
    comment: str = ""


class Verdict(NamedTuple):
    """See CatalogColumn."""

    label: str | None
    confidence: float
    evidence: tuple[str, ...]
    scan: bool


def sample_kind(told: Told) -> str | None:
    """As what a column's values are looked at: text, document, number or date (see SampledColumn); None: not at all."""
    if told.type_oid in _TEXTS or told.type_name in _TEXT_TYPES:
        return "text"
    if told.type_oid in _DOCUMENTS or told.type_name in _DOCUMENT_TYPES:
        return "document"
    if told.type_oid in _NUMBERS:
        return "number"
    return "date" if told.type_oid in _DATES else None


def can_hide(told: Told) -> bool:
    """Whether a value of the type can have something personal in it that no label tells of."""
    if told.type_oid in _SILENT or told.type_name in _PLACE_TYPES:
        return False
    if told.category == "R" and told.type_oid >= _FIRST_OF_USERS:
        return True  # a range of texts
    return told.category not in _SILENT_CATEGORIES


def spoken(told: Told) -> Finding:
    """What name, type, domain and comment say."""
    found = label_by_name(told.name, told.table, told.type_oid)
    if found == "ip" and told.type_oid in _INET:
        return Finding("ip", _BY_TYPE, ("type",))
    if found is not None:
        return Finding(found, _BY_NAME, ("name",))
    if told.domain and (found := label_by_name(told.domain, "", told.type_oid)) is not None:
        return Finding(found, _BY_DOMAIN, (f"domain {told.domain}",))
    if told.type_name in _PLACE_TYPES or told.type_oid == 600:
        placed = of_people(told.table) or not _PLACES.isdisjoint(split(told.name))
        return Finding("geo", _BY_NAME, ("type",)) if placed else Finding()
    found = _in_comment(told)
    return Finding(found, _BY_COMMENT, ("comment",)) if found is not None else Finding()


def _in_comment(told: Told) -> str | None:
    words = split(told.comment)
    if not words or len(words) > _COMMENT_WORDS_MAX:
        return None
    if _PERSONAL_MARKS.isdisjoint(words) and not ABOUT.isdisjoint(words):
        return None
    for size in (3, 2, 1):
        for at in range(len(words) - size + 1):
            phrase = words[at : at + size]
            if size == 1 and phrase[0] not in _PLAIN_SPOKEN:
                continue
            found = label_by_name("_".join(phrase), "", told.type_oid)
            if found not in (None, "free_text") and (size == 1 or label_by_name(phrase[-1], "", told.type_oid) != found):
                return found
    return "free_text" if not _PERSONAL_MARKS.isdisjoint(words) and can_hide(told) else None


def decide(told: Told, content: Finding | None) -> Verdict:
    """The label. Where name and values disagree the values win over a name that may mean much, and lose against any other.
    `content`: None where nothing was read."""
    said = spoken(told)
    seen = content or Finding()
    hides = can_hide(told)
    if said.label is None and seen.label is None:
        return Verdict(None, 0.0, (), hides and not seen.clean)
    if said.label is None:
        return Verdict(seen.label, seen.confidence, seen.evidence, False)
    if seen.label == said.label:
        both = 1 - (1 - said.confidence) * (1 - seen.confidence)
        return Verdict(said.label, round(both, 2), (*said.evidence, *seen.evidence), False)
    narrow = seen.label not in (None, "free_text") and seen.confidence > 0.8
    if narrow and said.label in ("name", "free_text", "address"):
        return Verdict(seen.label, seen.confidence, (*seen.evidence, f"named like {said.label}"), False)
    return Verdict(said.label, said.confidence, said.evidence, False)
