"""Error and notice texts: definitions may be named, stored values may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.plan import scrub
from parser.messages import error_response, read_error_fields
from tests.gateway.masking.shop import basis_of, catalog

GUARDED = basis_of("select email from customers")
UNSEEN = catalog(sampled=False)


def body(**fields: str) -> bytes:
    return b"".join(letter.encode() + text.encode() + b"\0" for letter, text in fields.items()) + b"\0"


def scrubbed(**fields: str) -> dict[str, str]:
    return read_error_fields(scrub(body(**fields), GUARDED))


def test_values_in_message_detail_hint_context_and_inner_query_are_gone() -> None:
    out = scrubbed(
        S="FEHLER", V="ERROR", C="22P02", M='invalid input syntax for type integer: "ann@example.com"',
        D="Key (email)=(ann@example.com) already exists.", H='Did you mean "ann@example.com"?', P="8", p="3",
        q="SELECT 'ann@example.com'", W='PL/pgSQL function f(text) line 3 at RAISE: ann@example.com', s="public",
        t="customers", c="email", d="text", n="customers_email_key", F="nbtinsert.c", L="12", R="_bt_check_unique",
    )  # fmt: skip
    assert out == {
        "S": "FEHLER", "V": "ERROR", "C": "22P02", "M": "data exception (the text is withheld: it may quote masked values)",
        "P": "8", "s": "public", "t": "customers", "c": "email", "d": "text", "n": "customers_email_key", "F": "nbtinsert.c",
        "L": "12", "R": "_bt_check_unique",
    }  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        'relation "customers" does not exist',
        'column "emial" does not exist',
        "column c.emial does not exist",
        'column "x" of relation "customers" does not exist',
        "function uper(text) does not exist",
        "operator does not exist: integer = text",
        "permission denied for table customers",
        'syntax error at or near "selct"',
        "syntax error at end of input",
        'missing FROM-clause entry for table "c"',
        'column reference "id" is ambiguous',
        'column "customers.id" must appear in the GROUP BY clause or be used in an aggregate function',
        'duplicate key value violates unique constraint "customers_pkey"',
        'null value in column "email" of relation "customers" violates not-null constraint',
        'insert or update on table "orders" violates foreign key constraint "orders_customer_id_fkey"',
        'update or delete on table "customers" violates foreign key constraint "f" on table "orders"',
        'new row for relation "customers" violates check constraint "c"',
        "current transaction is aborted, commands ignored until end of transaction block",
        "canceling statement due to user request",
        "canceling statement due to statement timeout",
        "terminating connection due to administrator command",
        "division by zero",
        "deadlock detected",
        "value too long for type character varying(10)",
        "cannot execute INSERT in a read-only transaction",
        "there is no transaction in progress",
        'table "x" does not exist, skipping',
        'relation "x" already exists, skipping',
    ],
)
def test_messages_that_name_only_definitions_stay(message: str) -> None:
    assert scrubbed(C="42P01", M=message, P="8")["M"] == message


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ('relation "customers" does not exist', True),
        ('column "email" of relation "customers" does not exist', True),
        ('function email(integer) does not exist', True),
        ('relation "ann" does not exist', False),
        ('type "ann" does not exist', False),
        ('operator does not exist: ann', False),
        ('schema "ann" does not exist', False),
        ('duplicate key value violates unique constraint "customers_pkey"', True),
    ],
)
def test_message_said_while_running_may_only_name_what_the_statement_names(message: str, kept: bool) -> None:
    """A value taken for a name is quoted like one: email::regclass."""
    assert (scrubbed(C="42P01", M=message)["M"] == message) is kept


def test_names_beside_a_message_stay_only_where_the_server_tells_them() -> None:
    names = {"s": "ann", "t": "ann", "c": "ann", "d": "ann", "n": "ann"}
    raised = scrubbed(C="P0001", M="x", F="pl_exec.c", R="exec_stmt_raise", **names)
    assert not raised.keys() & names.keys()
    told = scrubbed(C="23505", M="x", F="nbtinsert.c", R="_bt_check_unique", **names)
    assert told.keys() >= names.keys()


@pytest.mark.parametrize(
    "message",
    [
        'invalid input syntax for type uuid: "ann@example.com"',
        'date/time field value out of range: "1990-99-01"',
        "ann@example.com",
        'value "99999" is out of range for type integer',
        'relation "x" does not exist\nann@example.com',
        'invalid regular expression: "ann@example.com"',
        'could not convert type "x" to y: ann',
    ],
)
def test_other_messages_are_replaced_by_the_class_of_their_sqlstate(message: str) -> None:
    assert (
        scrubbed(C="22P02", M=message)["M"]
        == "data exception (the text is withheld: it may quote masked values)"
    )


def test_message_raised_inside_a_function_is_withheld_whatever_it_says() -> None:
    out = scrubbed(
        C="42P01", M='relation "ann@example.com" does not exist', W="SQL statement in PL/pgSQL function f()"
    )
    assert out["M"].startswith("syntax error or access rule violation")


def test_known_hints_stay() -> None:
    hint = "No function matches the given name and argument types. You might need to add explicit type casts."
    assert scrubbed(C="42883", M="function f(text) does not exist", H=hint, P="8")["H"] == hint


def test_where_nothing_can_be_masked_the_report_is_untouched() -> None:
    fields = body(S="ERROR", C="22P02", M="anything", D="Key (a)=(b)")
    assert scrub(fields, basis_of("select email from customers", ["*"])) == fields
    assert scrub(fields, basis_of("select item from orders")) == fields


def test_words_about_cells_that_nobody_proved_clean_are_looked_through() -> None:
    message = 'invalid input syntax for type integer: "ann@shop.example"'
    fields = body(S="ERROR", C="22P02", M=message, D="Row (7, 901-11-1111).")
    told = read_error_fields(scrub(fields, basis_of("select item from orders", known=UNSEEN)))
    assert told["M"] == 'invalid input syntax for type integer: "[redacted]"'
    assert told["D"] == "Row (7, [redacted])."
    sees_emails = read_error_fields(scrub(fields, basis_of("select item from orders", ["email"], known=UNSEEN)))
    assert "ann@shop.example" in sees_emails["M"]
    disguised = read_error_fields(scrub(fields, basis_of("select reverse(item)::int from orders", known=UNSEEN)))
    assert disguised["M"].startswith("data exception")
    assert "D" not in disguised


def test_unknown_sqlstate_is_withheld_too() -> None:
    assert scrubbed(C="ZZ999", M="ann@example.com")["M"].startswith("the server's report")


def test_our_own_frames_keep_severity_and_code() -> None:
    out = read_error_fields(
        scrub(error_response("ERROR", "42501", "permission denied for table customers")[5:], GUARDED)
    )
    assert (out["S"], out["V"], out["C"]) == ("ERROR", "ERROR", "42501")


@given(st.binary(max_size=80))
def test_any_bytes_give_a_report_that_ends_and_never_a_detail(noise: bytes) -> None:
    out = scrub(noise, GUARDED)
    assert out.endswith(b"\0")
    assert out == b"\0" or out.endswith(b"\0\0")
    fields = read_error_fields(out)
    assert not fields.keys() & set("DWqp")
