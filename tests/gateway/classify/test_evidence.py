"""Names, types, domains, comments and values, weighed against each other."""

import pytest

from gateway.classify.content import Finding
from gateway.classify.evidence import Told, can_hide, decide, sample_kind, spoken

TEXT, INT4, JSONB, UUID, DATE, INET, POINT, BYTEA = 25, 23, 3802, 2950, 1082, 869, 600, 17


@pytest.mark.parametrize(
    ("told", "label", "evidence"),
    [
        (Told("t", "mail", TEXT), "email", "name"),
        (Told("t", "seen", INET), "ip", "type"),
        (Told("t", "contact", TEXT, domain="email_address"), "email", "domain email_address"),
        (Told("users", "spot", POINT), "geo", "type"),
        (Told("t", "home_spot", 99999, "geography", "U"), "geo", "type"),
        (Told("t", "c1", TEXT, comment="Social security number of the employee"), "ssn", "comment"),
        (Told("t", "c1", TEXT, comment="The customer's e-mail address"), "email", "comment"),
        (Told("t", "c1", TEXT, comment="PII, see the handbook"), "free_text", "comment"),
    ],
)
def test_what_a_column_says_of_itself(told: Told, label: str, evidence: str) -> None:
    found = spoken(told)
    assert (found.label, found.evidence) == (label, (evidence,))
    assert found.confidence > 0.5


@pytest.mark.parametrize(
    "told",
    [
        Told("t", "c1", TEXT),
        Told("countries", "outline", 99999, "geometry", "U"),
        Told("t", "c1", TEXT, comment="whether the email was verified"),
        Told("t", "c1", TEXT, comment="name of the thing"),
        Told("t", "c1", TEXT, comment="a very long story about email " * 10),
        Told("t", "c1", INT4, comment="PII"),
    ],
)
def test_what_says_nothing_has_no_label(told: Told) -> None:
    assert spoken(told) == Finding()


def test_name_and_values_that_agree_are_surer_than_each() -> None:
    verdict = decide(Told("t", "mail", TEXT), Finding("email", 0.9, ("seen",)))
    assert (verdict.label, verdict.evidence) == ("email", ("name", "seen"))
    assert verdict.confidence == 0.99


def test_values_win_over_names_that_may_mean_much_and_lose_against_others() -> None:
    email = Finding("email", 0.95, ("seen",))
    assert decide(Told("t", "username", TEXT), email).label == "email"
    assert decide(Told("t", "notes", TEXT), email).label == "email"
    assert decide(Told("t", "ssn", TEXT), email).label == "ssn"
    assert decide(Told("t", "username", TEXT), Finding("free_text", 0.95, ("seen",))).label == "name"
    assert decide(Told("t", "c1", TEXT), email).label == "email"


def test_rows_are_looked_into_unless_the_type_or_the_sample_speaks_against_it() -> None:
    assert decide(Told("t", "c1", TEXT), None).scan
    assert decide(Told("t", "c1", TEXT), Finding()).scan
    assert not decide(Told("t", "c1", TEXT), Finding(clean=True)).scan
    assert not decide(Told("t", "mail", TEXT), None).scan
    assert decide(Told("t", "c1", JSONB), None).scan
    assert decide(Told("t", "c1", 99999, "hstore", "U"), None).scan
    assert decide(Told("t", "c1", 99999, "pair", "C"), None).scan
    assert decide(Told("t", "c1", BYTEA, "bytea", "U"), None).scan
    assert decide(Told("t", "c1", 99999, "textrange", "R"), None).scan
    assert not decide(Told("t", "c1", 3904, "int4range", "R"), None).scan
    for silent in (INT4, UUID, DATE):
        assert not decide(Told("t", "c1", silent), None).scan
    assert not can_hide(Told("t", "c1", 99999, "mood", "E"))


def test_only_types_that_may_tell_something_are_sampled() -> None:
    kinds = [sample_kind(Told("t", "c1", oid)) for oid in (TEXT, JSONB, INT4, DATE, UUID, BYTEA)]
    assert kinds == ["text", "document", "number", "date", None, None]
    assert sample_kind(Told("t", "c1", 99999, "citext", "S")) == "text"
    assert sample_kind(Told("t", "c1", 99999, "pair", "C")) is None
