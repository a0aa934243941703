"""Whether a column holds telephone numbers. The one door of the package phonenumbers."""

import re
from collections.abc import Sequence

import phonenumbers

# Where numbers without a country code may be from.
_REGIONS = (
    "US", "GB", "DE", "FR", "ES", "IT", "BR", "NL", "PL", "SE", "IN", "JP", "CN", "KR", "RU", "MX", "PT", "BE", "CH", "AT",
    "DK", "NO", "FI", "CZ", "TR", "RO", "HU", "AU", "CA", "ZA", "IE", "GR",
)  # fmt: skip
_FORM = re.compile(r"\+?[\d(][\d ().,/\u2010-\u2015\u2212-]{5,24}\d(?: ?(?:x|ext\.?|#) ?\d{1,6})?", re.IGNORECASE)
# Dates, decimals, and the dashes of a Social Security number.
_OTHER = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d+[.,]\d+|\d{3}-\d{2}-\d{4}|(?:\d{1,3}\.){3}\d{1,3}"
)
_AMERICAN = re.compile(
    r"(?:\+?1[-. ]?)?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?: ?(?:x|ext\.?|#) ?\d{1,6})?", re.IGNORECASE
)
_GROUPS = re.compile(r"\d+")
# Plans narrow enough for digits alone to tell: what they begin with, and the region.
_BARE = {
    "US": re.compile(r"1?[2-9]\d{2}[2-9]\d{6}"),
    "IN": re.compile(r"(?:91)?[6-9]\d{9}"),
    "CN": re.compile(r"(?:86)?1[3-9]\d{9}"),
    "BR": re.compile(r"(?:55)?[1-9]{2}9\d{8}"),
    "FR": re.compile(r"0[1-9]\d{8}"),
    "GB": re.compile(r"0[127]\d{8,9}"),
    "NL": re.compile(r"0[1-9]\d{8}"),
    "JP": re.compile(r"0\d{9,10}"),
    "KR": re.compile(r"0(?:10\d{8}|2\d{7,8})"),
    "DE": re.compile(r"01[567]\d{8,9}"),
    "ES": re.compile(r"[67]\d{8}"),
    "IT": re.compile(r"3\d{8,9}"),
    "PL": re.compile(r"[4-8]\d{8}"),
}
_DIGITS_MIN, _DIGITS_MAX = 7, 15
_EXTENSION_DIGITS_MAX = 6
_SAMPLE = 60  # a number takes some fifty microseconds in each region
_PROBE = 10  # values by which a form is seen not to be theirs
_FORM_SHARE = 0.85
_BARE_SHARE = 0.85  # of bare digits that one region's plan must know
_PLAN_SHARE = 0.5  # of grouped digits with a leading zero
_TOLD_SHARE = 0.15
_SPACED = ("ES", "PL", "PT", "CZ", "NO", "DK", "HU", "FR", "BR")
_SPACED_SHARE = 0.7


def share(values: Sequence[str]) -> float:
    """How much of a column's values are telephone numbers by what they have in common, 0 to 1."""
    chosen = values[:: max(1, len(values) // _SAMPLE)][:_SAMPLE]
    sample = [value[1:].replace(")", "", 1) if value.startswith("(+") else value for value in chosen]
    if sum(map(_formed, sample[:_PROBE])) < 0.6 * len(sample[:_PROBE]):
        return 0.0
    formed = [value for value in sample if _formed(value)]
    if not sample or len(formed) < _FORM_SHARE * len(sample):
        return 0.0
    international = [value for value in formed if value.startswith(("+", "00"))]
    american = [value for value in formed if _AMERICAN.fullmatch(value)]
    bare = [value for value in formed if value.isdigit() and not value.startswith("00")]
    seen = {*international, *american, *bare}
    grouped = [value for value in formed if value not in seen]
    good = sum(map(_international, international))
    # Then the others are numbers too, more likely than not.
    told = good + len(american) > _TOLD_SHARE * len(formed) and good >= 0.8 * len(international)
    good += sum(value not in international for value in american)
    if grouped and (told or _planned(grouped)):
        good += sum(map(_marked, grouped))
        told = told or len(grouped) > _TOLD_SHARE * len(formed)
    if bare and (told or (_scattered(bare) and _best_bare(bare) >= _BARE_SHARE)):
        good += len(bare)
    return good / len(sample) if good >= 0.7 * len(formed) else 0.0


def _formed(value: str) -> bool:
    digits = sum(letter.isdigit() for letter in value)
    fits = _DIGITS_MIN <= digits <= _DIGITS_MAX + _EXTENSION_DIGITS_MAX
    return fits and _FORM.fullmatch(value) is not None and not _OTHER.fullmatch(value)


def _marked(value: str) -> bool:
    """Whether it is written as people write such numbers: brackets, a leading zero, groups."""
    return value.startswith(("(", "0")) or len(_GROUPS.findall(value)) >= 3 or " " in value


def _planned(values: Sequence[str]) -> bool:
    """Whether a numbering plan knows grouped digits. Without a leading zero or bracket other codes look the same: only the
    plans in which numbers are written so count then, and they must know nearly all."""
    led = sum(value.startswith(("0", "(")) for value in values)
    if led >= 0.5 * len(values):
        return _best_region(values, _REGIONS) >= _PLAN_SHARE
    spaced = sum(" " in value and "-" not in value for value in values)
    return spaced >= 0.7 * len(values) and _best_region(values, _SPACED) >= _SPACED_SHARE


def _scattered(values: Sequence[str]) -> bool:
    """Runs of digits count only when they are no series: different, of no more than three lengths, far apart."""
    numbers = sorted({int(value) for value in values})
    if len(numbers) < 0.8 * len(values) or len(numbers) < 5 or len({len(value) for value in values}) > 3:
        return False
    return numbers[-1] - numbers[0] > 1000 * len(numbers)


def _international(value: str) -> bool:
    text = "+" + value[2:] if value.startswith("00") else value.replace("(0)", "")
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False


def _best_bare(values: Sequence[str]) -> float:
    fitting = [
        region
        for region, form in _BARE.items()
        if sum(form.fullmatch(value) is not None for value in values) >= _BARE_SHARE * len(values)
    ]
    return _best_region(values, fitting)


def _best_region(values: Sequence[str], regions: Sequence[str]) -> float:
    """The greatest share that one region's numbering plan knows; the first that is large enough will do."""
    best = 0.0
    for region in regions:
        best = max(best, sum(_valid(value, region) for value in values) / len(values))
        if best >= _BARE_SHARE:
            break
    return best


def _valid(value: str, region: str) -> bool:
    try:
        return phonenumbers.is_valid_number_for_region(phonenumbers.parse(value, region), region)
    except phonenumbers.NumberParseException:
        return False
