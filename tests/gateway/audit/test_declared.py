"""What goes on record of a declaration: its words, without what must not be kept."""

from gateway.audit.declared import declared
from gateway.audit.records import Declared
from gateway.identity.declaration import Declaration


def test_record_has_the_words_and_the_mismatch() -> None:
    said = Declaration("late orders", ("public.orders",), "read", "T-12", "session")
    assert declared(said, ("writes",)) == Declared("late orders", ("public.orders",), "read", "T-12", "session", ("writes",))


def test_sensitive_values_in_the_words_are_not_kept() -> None:
    said = Declaration(
        "refund ann@shop.example, card 4111 1111 1111 1111", ("ann@shop.example",), "write", "bob@shop.example", "token"
    )
    record = declared(said)
    everything = repr(record)
    for value in ("ann@", "bob@", "4111 1111"):
        assert value not in everything
    assert record.reason.startswith("refund ")


def test_words_of_any_characters_can_be_written() -> None:
    assert declared(Declaration("\udce4 broken", source="session")).reason == "? broken"
