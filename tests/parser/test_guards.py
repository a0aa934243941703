"""What in a result column tells by failing, waiting, counting or making rows, and what only hands a value on."""

import pytest

from tests.parser.knowing import facts


@pytest.mark.parametrize(
    "item",
    [
        "email", "lower(email)", "email::text", "email::varchar(3)", "email::text::varchar", "(email)::text",
        "cast(email as text)", "coalesce(email, '')", "email || '/' || city", "substring(email from 2 for 1)",
        "email = 'x'", "email like 'a%'", "id / 5", "email / 5", "(email + 1) / 2", "count(email)", "count(distinct email)",
        "count(*)", "max(email)", "array_agg(email order by email)", "array[email]", "array[email]::text[]",
        "case when true then email end", "case when city is null then email end", "email and city", "row(email, 1)",
        "coalesce(email, city, 'x')", "coalesce(1 / 5, email)", "left(email, 3)::text", "'5'::int and email",
        "pg_typeof(email)", "email at time zone 'UTC'", "coalesce(email, '5'::date)", "unnest(email)",
    ],
)  # fmt: skip
def test_value_that_is_handed_on_decides_nothing(item: str) -> None:
    assert [use for use in facts(f"select {item} from customers").uses if use.how != "shape"] == []


@pytest.mark.parametrize(
    ("item", "clause"),
    [
        ("(lower(email))::int", "a cast"), ("lower(email)::int", "a cast"), ("cast(email as int)", "a cast"),
        ("email::text::int", "a cast"), ("email::numeric(5, 2)", "a cast"), ("email[1]::int", "a cast"),
        ("array[email]::int[]", "a cast"), ("(customers).email::int", "a cast"), ("email::smallint", "a cast"),
        ("case when true then email end::int", "a cast"), ("(select email from customers)::int", "a cast"),
        ("((array[email])[1])::int", "a cast"), ("(row(email, 1)).f1::int", "a cast"), ("email::mine", "a cast"),
        ("1 / email", "a division"), ("1 % lower(email)", "a division"), ("1 / (2 - email)", "a division"),
        ("1 / -email", "a division"), ("1 / case when true then email end", "a division"),
        ("count(lower(email))", "count()"), ("count(case when email > 'a' then 1 end)", "count()"),
        ("count(nullif(email, 'a'))", "count()"), ("count((email))", "count()"), ("count(email || '')", "count()"),
        ("case when email > 'a' then 1 end", "CASE"), ("case email when 'a' then 1 end", "CASE"),
        ("case when case when email > 'a' then true end then 1 end", "CASE"),
        ("case when true then case when email > 'a' then 1 end end", "CASE"),
        ("case when true then 1 when email > 'a' then 2 end", "CASE"),
        ("count(*) filter (where email > 'a')", "FILTER"), ("rank() over (order by email)", "OVER"),
        ("sqrt(email)", "sqrt()"), ("pg_sleep(email)", "pg_sleep()"), ("generate_series(1, email)", "generate_series()"),
        ("unnest(lower(email))", "unnest()"), ("int4(email)", "int4()"),
        ("email > 'a' and 1 / id > 1", "an expression that may fail"),
        ("coalesce(nullif(email, 'a'), (1 / id)::text)", "an expression that may fail"),
        ("email > 'a' or id::text::int > 1", "an expression that may fail"),
        ("email > 'a' and pg_sleep(1) is null", "an expression that may fail"),
        ("email > 'a' or city ~ id", "an expression that may fail"),
    ],
)  # fmt: skip
def test_value_that_tells_by_more_than_itself_is_put_to_the_test(item: str, clause: str) -> None:
    uses = [use for use in facts(f"select {item} from customers").uses if any(c.name == "email" for c in use.columns)]
    assert {(use.clause, use.how) for use in uses} == {(clause, "other")}


@pytest.mark.parametrize("kind", ["int", "bigint", "numeric", "date", "timestamp with time zone", "double precision"])
def test_plain_column_cast_to_a_wide_type_is_judged_by_its_own_type(kind: str) -> None:
    assert {use.how for use in facts(f"select email::{kind} from customers").uses} == {"cast"}
    assert {use.how for use in facts(f"select e::{kind} from (select lower(email) e from customers) x").uses} == {"other"}
