"""What columns hold, told by a sample of their values: each column by itself, then with the others of its table.

One value proves little: what counts is what a column's values have in common. Names, birth dates and digits without marks
are believed only where the table tells of people. Nothing of a value goes into what is found.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence, Set
from datetime import date
from typing import NamedTuple

from gateway.classify import documents, phones, shapes
from gateway.classify.names import label as label_by_name
from gateway.classify.names import of_people, of_things, split
from gateway.classify.national import NATIONAL_NUMBERS, NationalNumber
from gateway.classify.persons import address_share, name_share, name_words
from gateway.classify.validators import bar_code
from gateway.classify.vocabulary import NOT_NUMBERS, NOT_PERSONS

_TEXT_OID = 25
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
PERSONAL = frozenset(
    {
        "name", "email", "phone", "ssn", "card", "iban", "dob", "address", "passport", "licence", "health", "salary",
        "biometric",
    }
)  # fmt: skip
_SHARE = 0.5  # of the values, that a label by form takes
_NATIONAL_SHARE = 0.85
_MARKED_SHARE = 0.7
_CHANCE_MAX = 1e-5  # that so many random digits pass a check
_LONG_CHARACTERS = 60.0  # on average: a text people write
_WORDS = 6.0
_PERSON_DIGITS_MIN, _PERSON_DIGITS_MAX = 9, 14
_MANY = 50  # values that must be seen before a column is called clean
_CODE_CHARACTERS_MAX = 40
_FEW_SHARE = 0.02
_PROBE = 8  # values by which a form is seen not to be theirs
_CARD_CHANCE = 0.15


class SampledColumn(NamedTuple):
    """`kind`: text, number, date or document. `values`: those that are neither NULL nor empty, as the server prints them;
    long ones may be cut off. `label`: what the column's name says. `whole`: no row was left out."""

    name: str
    kind: str
    values: Sequence[str]
    label: str | None = None
    whole: bool = False


class Finding(NamedTuple):
    """`label` and `confidence` (0 to 1) by what was seen; `evidence` in a few words. `clean`: enough was seen, and nothing
    in it can be a person's, so that what comes later need not be looked at."""

    label: str | None = None
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    clean: bool = False


NOTHING = Finding()


def judge(table: str, columns: Sequence[SampledColumn], today: date) -> dict[str, Finding]:
    """What a table's columns hold, by name."""
    found = {column.name: _alone(column, today) for column in columns}
    held = {column.label for column in columns} | {finding.label for finding in found.values()}
    people = of_people(table) or not PERSONAL.isdisjoint(held)
    things = of_things(table) and not of_people(table)
    known: set[str] = set()
    for _ in range(2):
        before = people, len(known)
        for column in columns:
            if found[column.name].label is None:
                later = _among(column, people, things, known, today)
                if later.label is not None:
                    found[column.name] = later
                    people = people or later.label in PERSONAL
            if "name" in (column.label, found[column.name].label) and column.kind == "text":
                known |= name_words(column.values)
        if before == (people, len(known)):
            break  # else what was found now tells more of those before it
    return found


def _alone(column: SampledColumn, today: date) -> Finding:
    values = [value.strip() for value in column.values]
    if not values or column.kind == "date":
        return NOTHING
    if column.kind == "document" or (column.kind == "text" and documents.is_document(values)):
        return _document(values, today)
    if column.kind == "text" and all(map(_UUID.fullmatch, values)):
        return Finding(clean=len(values) >= _MANY)
    if column.kind == "number":
        values = [value for value in values if value.isdigit()]
        if len(values) < 0.9 * len(column.values):
            return Finding(clean=True)
    by_form = _by_form(values)
    if by_form.label is not None:
        return by_form
    if column.kind == "number":
        return Finding(clean=True)
    return _texts(values, column.whole)


def _sure(share: float, count: int, most: float = 0.99) -> float:
    """Confidence of a share of so many values."""
    return round(min(most, share * (count + 1) / (count + 2)), 2)


def _by_form(values: Sequence[str]) -> Finding:
    """A column whose values have one form: that of a label by itself, of a national number, of a telephone number."""
    count, distinct = len(values), len(set(values))
    if distinct < 3 and count >= 10:
        return NOTHING
    kinds = Counter(filter(None, map(shapes.kind, values)))
    if kinds:
        label, hits = kinds.most_common(1)[0]
        if hits >= _SHARE * count and not (label == "ip" and (count < 3 or _versions(values))):
            return Finding(label, _sure(hits / count, count), (f"{hits / count:.0%} of {count} values have its form",))
    national = _national(values)
    if national is not None:
        return national
    share = phones.share(values) if distinct >= 3 and distinct > 0.3 * count else 0.0
    if share >= 0.7:
        return Finding("phone", _sure(share, count, 0.95), (f"{share:.0%} of {count} values are in a numbering plan",))
    if distinct < 5 or distinct < 0.5 * count:
        return NOTHING
    for label, test, most, words in (
        ("secret", shapes.is_password, 0.8, "look like passwords"),
        ("secret", shapes.is_random, 0.75, "look drawn at random"),
    ):
        if not _seems(test, values):
            continue
        hits = sum(map(test, values))
        if hits >= 0.85 * count and distinct > 0.9 * count:
            return Finding(label, _sure(hits / count, count, most), (f"{hits / count:.0%} of {count} values {words}",))
    codes = sum(map(shapes.is_diagnosis_code, values)) if _seems(shapes.is_diagnosis_code, values) else 0
    if codes >= 0.9 * count and sum("." in value for value in values) > 0.3 * count:
        return Finding("health", 0.8, (f"{codes / count:.0%} of {count} values have the form of ICD-10",))
    return NOTHING


def _seems(test: Callable[[str], bool], values: Sequence[str]) -> bool:
    """Whether the first values pass for the most part: the others need not be asked else."""
    return sum(map(test, values[:_PROBE])) >= _SHARE * len(values[:_PROBE])


def _versions(values: Sequence[str]) -> bool:
    """Four small numbers are a program's version more likely than an address."""
    dotted = [value.split(".") for value in values if value.count(".") == 3 and value.replace(".", "").isdigit()]
    return len(dotted) > 0.9 * len(values) and all(int(parts[0]) < 20 for parts in dotted) and (
        sum(parts[3] == "0" or parts[2] == "0" for parts in dotted) > 0.5 * len(dotted)
    )


def _national(values: Sequence[str]) -> Finding | None:
    count, distinct = len(values), set(values)
    if not any(letter.isdigit() for letter in "".join(values[:_PROBE])):
        return None
    encoded = _ascii(values)
    for number in NATIONAL_NUMBERS:
        if sum(map(number.holds, encoded[:_PROBE])) < _SHARE * len(encoded[:_PROBE]):
            continue
        hits = sum(map(number.holds, encoded))
        if hits < (_MARKED_SHARE if number.marked else _NATIONAL_SHARE) * count:
            continue
        if not number.marked and _chance(number, distinct) > _CHANCE_MAX:
            continue
        evidence = (f"{hits / count:.0%} of {count} values are national numbers ({number.country})",)
        return Finding("ssn", _sure(hits / count, count, 0.97), evidence)
    return None


def _ascii(values: Sequence[str]) -> list[bytes]:
    return [value.encode("ascii", "replace") for value in values]


def _chance(number: NationalNumber, distinct: set[str]) -> float:
    """That so many different random numbers pass the check, one in seven aside."""
    return float((number.odds / 1000) ** (_NATIONAL_SHARE * len(distinct)))


def _texts(values: Sequence[str], whole: bool) -> Finding:
    """Texts without one form: free text with something personal in it, clean codes, or neither."""
    count = len(values)
    hits: Counter[str] = Counter()
    for value in values:
        single = shapes.kind(value)
        hits.update({single} if single else shapes.inside(value))
    if hits["card"] < _CARD_CHANCE * count and sum(map(str.isdigit, values)) > 0.8 * count:
        del hits["card"]  # bar codes and the like pass for one by chance
    if hits["ip"] and _versions(values):
        del hits["ip"]
    hits = +hits
    long = sum(map(len, values)) / count > _LONG_CHARACTERS or sum(len(value.split()) for value in values) / count > _WORDS
    repeated = not long and len(set(values)) < 3 and count >= 10
    if hits and not repeated and (long or max(hits.values()) >= max(2, _FEW_SHARE * count)):
        evidence = f"{', '.join(sorted(hits))} inside {max(hits.values())} of {count} values"
        return Finding("free_text", 0.9 if max(hits.values()) > 1 else 0.7, (evidence,))
    many = count >= _MANY or (whole and count >= _MANY // 2)
    return Finding(clean=many and not hits and not long and _codes(values))


def _codes(values: Sequence[str]) -> bool:
    """Short texts that people choose from a list, or that programs make: no room for what is somebody's."""
    if max(map(len, values)) > _CODE_CHARACTERS_MAX:
        return False
    if len(set(values)) <= max(2, 0.2 * len(values)):
        return True
    few_words = all(len(value.split()) <= 3 for value in values)
    return few_words and all(_few_digits(value) for value in values)


def _few_digits(value: str) -> bool:
    if len(value) >= 10 and value[4] == value[7] == "-" and value[:4].isdigit():  # a moment
        return True
    return sum(letter.isdigit() for letter in value) < 9


def _document(values: Sequence[str], today: date) -> Finding:
    """Personal data under any key makes the whole column a text to look into."""
    keys = documents.by_key(values)
    columns = [
        SampledColumn(key, "text", held, label_by_name(key, "", _TEXT_OID) if key != documents.BARE else None)
        for key, held in keys.items()
    ]
    found = judge("", columns, today)
    labels = {column.label for column in columns if column.label and column.values}
    labels |= {finding.label for finding in found.values() if finding.label}
    if labels:
        return Finding("free_text", 0.9, (f"{', '.join(sorted(labels))} under its keys",))
    clean = all(finding.clean or not keys[key] for key, finding in found.items())
    return Finding(clean=bool(keys) and clean and len(values) >= _MANY)


def _among(column: SampledColumn, people: bool, things: bool, known: Set[str], today: date) -> Finding:
    """What is believed of a column because of its table: whether its rows are `people` or `things`, and the words of the
    names that are `known` in it."""
    values = [value.strip() for value in column.values]
    count, distinct = len(values), len(set(values))
    if distinct < 4 or column.kind == "document":
        return NOTHING
    if column.kind == "date":
        return _birth_dates(values, today) if people else NOTHING
    if people and NOT_NUMBERS.isdisjoint(split(column.name)) and _scattered(values, distinct):
        return Finding("ssn", 0.6, (f"{count} long numbers, all different, beside personal data",))
    if column.kind == "number" or distinct < 0.1 * count:
        return NOTHING
    if people and distinct > 0.5 * count and sum(map(shapes.is_digest, values)) > 0.9 * count:
        return Finding("secret", 0.6, (f"{count} digests beside personal data",))
    if things or not NOT_PERSONS.isdisjoint(split(column.name)):
        return NOTHING
    share = name_share(values, known)
    several = sum(" " in value for value in values) > 0.6 * count
    if share >= (0.1 if people else 0.25) if several else share >= (0.15 if people else 0.45):
        evidence = f"{count} values are formed like names, many are known"
        return Finding("name", _sure(0.6 + share / 2, count, 0.9), (evidence,))
    share = address_share(values)
    if share >= _SHARE:
        return Finding("address", _sure(share, count, 0.9), (f"{share:.0%} of {count} values are formed like addresses",))
    return _birth_dates(values, today) if people and all(map(_iso, values[:_PROBE])) else NOTHING


def _scattered(values: Sequence[str], distinct: int) -> bool:
    """Numbers of nine to fourteen digits without marks, all different, of one length and far apart, as those of persons
    are: a series has its values near each other, and what ends in a bar code's check digit is one."""
    lengths = {len(value) for value in values}
    if distinct < max(8, 0.95 * len(values)) or len(lengths) > 1 or not all(map(str.isdigit, values)):
        return False
    (length,) = lengths
    if not _PERSON_DIGITS_MIN <= length <= _PERSON_DIGITS_MAX or not all(map(str.isascii, values)):
        return False
    numbers = sorted(map(int, values))
    if numbers[-1] - numbers[0] < 0.25 * 10**length or len({value[:2] for value in values}) < min(8, distinct // 2):
        return False
    return length != 13 or sum(map(bar_code, _ascii(values))) < 0.9 * len(values)


def _iso(value: str) -> date | None:
    for form in (value[:10], f"{value[6:10]}-{value[:2]}-{value[3:5]}", f"{value[6:10]}-{value[3:5]}-{value[:2]}"):
        try:
            return date.fromisoformat(form)
        except ValueError:
            continue
    return None


def _birth_dates(values: Sequence[str], today: date) -> Finding:
    """Ages of people: decades apart, hardly any in the last years, none to come. Beside personal data only."""
    days = sorted(found.toordinal() for value in values if (found := _iso(value)) is not None)
    if len(days) < 5 or len(days) < 0.9 * len(values):
        return NOTHING
    ages = [(today.toordinal() - day) / 365.25 for day in reversed(days)]
    middle, young, old = ages[len(ages) // 2], ages[len(ages) // 20], ages[-1 - len(ages) // 20]
    recent = sum(age < 3 for age in ages) / len(ages)
    if ages[0] < 0 or ages[-1] > 120 or old - young < 18 or recent > 0.1 or not 16 <= middle <= 80:
        return NOTHING
    return Finding("dob", 0.7, (f"{len(days)} dates are spread like ages, beside personal data",))
