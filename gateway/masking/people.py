"""By which columns of a table a person is known: what must differ from row to row where rows are to stand for people."""

import re
from collections.abc import Iterable

from gateway.classify.catalog import CatalogColumn, CatalogTable
from parser.keywords import word_set

PEOPLE_COLUMNS_MAX = 4
_IDENTITIES = frozenset({"email", "phone", "card", "iban", "ssn", "passport", "licence", "name"})
_PERSONS = word_set(
    """
    account applicant beneficiary borrower candidate citizen client contractor customer cust donor driver emp empl
    employee guest individual insured kunde member mitarbeiter nurse owner passenger patient payee people pers person
    personnel physician resident staff student subscriber teacher tenant user usr worker
    """
)
_TIMES = word_set("date day fy month period quarter seq version week year yr")
_REFERS = word_set("code id key login nbr no nr num number pk ref uid username uuid")
_CUTS = re.compile(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])")
# char name int8 int2 int4 text oid bpchar varchar numeric uuid: what tells people apart, and can be counted.
_COUNTED = frozenset({18, 19, 20, 21, 23, 25, 26, 1042, 1043, 1700, 2950})


def people(table: CatalogTable, keys: Iterable[frozenset[str]]) -> tuple[CatalogColumn, ...]:
    """Columns that name the person of a row, PEOPLE_COLUMNS_MAX at most: called after a person ("employee_id", "user"), or
    of an identity's label; where there are none, those of a unique key of several columns that tell no time.

    Empty where one of them is a unique key by itself, for then a row is a person, and where nothing tells.
    """
    counted = [column for column in table.columns if column.type_oid in _COUNTED]
    found = [column for column in counted if column.label in _IDENTITIES or _is_person(column.name)]
    alone = {name for key in keys if len(key) == 1 for name in key}
    if any(column.name in alone for column in found):
        return ()
    if not found and not alone:
        held = {name for key in keys for name in key}
        found = [column for column in counted if column.name in held and _TIMES.isdisjoint(_words(column.name))]
    return tuple(sorted(found, key=lambda column: column.label is not None)[:PEOPLE_COLUMNS_MAX])


def _is_person(name: str) -> bool:
    """Whether a column of this name refers to a person: `employee_id`, `userId`, `empno`, `patient`."""
    words = _words(name)
    if not words:
        return False
    if len(words) == 1:
        return words[0] in _PERSONS or any(
            words[0].endswith(end) and words[0].removesuffix(end) in _PERSONS for end in _REFERS
        )
    return words[-1] in _REFERS and not _PERSONS.isdisjoint(words)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _CUTS.split(name) if word]
