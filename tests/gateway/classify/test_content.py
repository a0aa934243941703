"""What columns hold, told by samples: with names that tell nothing, in tables of people and of things."""

import random
from datetime import date

import pytest
from faker import Faker
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.classify.content import Finding, SampledColumn, judge

TODAY = date(2026, 1, 1)
LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "pl_PL", "sv_SE")
NATIONAL = {"de_DE": "rvnr", "es_ES": "nif", "pt_BR": "cpf"}
ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ROWS = 60


def text(chance: random.Random, letters: str, length: int) -> str:
    return "".join(chance.choice(letters) for _ in range(length))


def table(**columns: tuple[str, list[str]]) -> dict[str, Finding]:
    return judge("t", [SampledColumn(name, kind, values) for name, (kind, values) in columns.items()], TODAY)


def only(values: list[str], kind: str = "text", *, people: bool = False, name: str = "c1") -> Finding:
    """What is said of one column, with or without another that tells of people."""
    columns = [SampledColumn(name, kind, values)]
    if people:
        columns.append(SampledColumn("mail", "text", ["a@b.example"], "email"))
    return judge("t", columns, TODAY)[name]


@pytest.mark.parametrize("locale", LOCALES)
def test_people_of_ten_countries_are_found_under_names_that_tell_nothing(locale: str) -> None:
    fake, chance = Faker(locale), random.Random(3)
    fake.seed_instance(77)  # a seed that nothing was tuned with
    makers = {
        "name": fake.name,
        "email": fake.email,
        "phone": fake.phone_number,
        "address": fake.address,
        "ssn": getattr(fake, NATIONAL.get(locale, "ssn")),
        "iban": fake.iban,
        "card": fake.credit_card_number,
        "ip": fake.ipv4,
        "secret": lambda: "sk_live_" + text(chance, ALNUM, 24),
        "dob": lambda: fake.date_of_birth(minimum_age=16, maximum_age=92),
    }
    columns = [
        SampledColumn(f"c{at}", "date" if label == "dob" else "text", [str(make()) for _ in range(ROWS)])
        for at, (label, make) in enumerate(makers.items())
    ]
    found = judge("t", columns, TODAY)
    assert [found[column.name].label for column in columns] == list(makers)


def test_things_have_no_labels() -> None:
    chance = random.Random(5)
    found = table(
        serial=("number", [str(number) for number in range(1000000, 1000060)]),
        big=("number", [str(chance.randrange(10**17, 10**18)) for _ in range(ROWS)]),
        bar=("text", [f"{chance.randrange(10**12, 10**13)}" for _ in range(ROWS)]),
        uuid=("text", [f"{text(chance, '0123456789abcdef', 8)}-1111-4222-8333-444455556666" for _ in range(ROWS)]),
        objects=("text", [text(chance, "0123456789abcdef", 24) for _ in range(ROWS)]),
        when=("text", [f"2026-01-{1 + each % 28:02d} 10:00:00" for each in range(ROWS)]),
        day=("date", [f"1990-{1 + each % 12:02d}-01" for each in range(ROWS)]),
        version=("text", [f"{1 + each % 9}.0.{each}.0" for each in range(ROWS)]),
        status=("text", ["new", "done"] * 30),
        same=("text", ["ada@example.com"] * ROWS),
        product=("text", [f"{chance.choice(('Steel', 'Oak'))} {chance.choice(('Chair', 'Lamp'))}" for _ in range(ROWS)]),
        agent=("text", [f"Mozilla/5.0 (X11; rv:1.9.{each}.20) Chrome/45.0.8{each}.0" for each in range(ROWS)]),
    )
    assert {name: one.label for name, one in found.items()} == dict.fromkeys(found)
    clean = {name for name, one in found.items() if one.clean}
    assert clean >= {"serial", "big", "uuid", "when", "status", "product"}
    assert not clean & {"same", "agent", "objects", "day"}


def test_names_dates_and_bare_numbers_are_believed_only_beside_personal_data() -> None:
    chance = random.Random(9)
    births = [f"{1940 + each}-0{1 + each % 9}-1{each % 9}" for each in range(ROWS)]
    hired = [f"{2012 + each % 13}-0{1 + each % 9}-1{each % 9}" for each in range(ROWS)]
    bare = [str(chance.randrange(10**10, 10**11)) for _ in range(ROWS)]
    digests = [text(chance, "0123456789abcdef", 40) for _ in range(ROWS)]
    assert [only(values, kind).label for values, kind in ((births, "date"), (bare, "number"), (digests, "text"))] == [
        None, None, None,
    ]  # fmt: skip
    assert only(births, "date", people=True).label == "dob"
    assert only(hired, "date", people=True).label is None
    assert only(bare, "number", people=True).label == "ssn"
    assert only(bare, "number", people=True, name="order_ref").label is None
    assert only(digests, people=True).label == "secret"


def test_a_column_named_for_something_else_holds_no_names() -> None:
    names = ["Anna Smith", "James Miller", "Robert Brown", "Linda Garcia", "Maria Rossi"]
    assert only(names).label == "name"
    assert only(names, name="company").label is None
    assert only(names, name="city").label is None
    assert judge("dim_cities", [SampledColumn("name", "text", names)], TODAY)["name"].label is None
    assert judge("products", [SampledColumn("name", "text", names)], TODAY)["name"].label is None


def test_texts_with_something_personal_inside_are_free_text() -> None:
    plain = ["the parcel arrived late and the customer asked for another one to be sent as soon as possible"] * 30
    assert only(plain).label is None
    assert not only(plain).clean
    found = only([*plain, "please call +49 30 123456789 about it or write to ada@example.com when you find the time"])
    assert found.label == "free_text"
    assert "ada" not in " ".join(found.evidence)
    mixed = ["n/a"] * 50 + [f"user{each}@mail.example" for each in range(6)]
    assert only(mixed).label == "free_text"


def test_documents_are_judged_by_their_keys_and_values() -> None:
    assert only(['{"first_name": "x"}'] * 5, "document").label == "free_text"
    assert only([f'{{"k": "user{each}@mail.example"}}' for each in range(20)], "document").label == "free_text"
    assert only([f"<a><k>user{each}@mail.example</k></a>" for each in range(20)]).label == "free_text"
    clean = only([f'{{"n": {each}, "on": "yes"}}' for each in range(80)], "document")
    assert (clean.label, clean.clean) == (None, True)
    assert not only(['{"n": 1}'] * 3, "document").clean


def test_few_values_are_never_called_clean() -> None:
    assert not only(["new", "done", "new"]).clean
    assert only(["new", "done"] * 25).clean
    whole = judge("t", [SampledColumn("c1", "text", ["new", "done"] * 13, None, True)], TODAY)
    assert whole["c1"].clean


@settings(max_examples=60)
@given(
    st.lists(st.text(max_size=30), max_size=12),
    st.sampled_from(("text", "number", "date", "document")),
    st.booleans(),
)
def test_any_values_are_judged_without_error_and_never_quoted(values: list[str], kind: str, people: bool) -> None:
    found = only([value for value in values if value], kind, people=people)
    assert 0 <= found.confidence <= 1
    assert (found.label is None) == (found.confidence == 0)
    assert not (found.label and found.clean)
