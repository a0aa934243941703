"""Hidden columns decide no rows, on a real server: what is refused, what passes, and that the session goes on."""

import psycopg
import pytest

from tests.live.rig import Gateway


def test_analyst_finds_nobody_out_by_rows_order_or_errors(gateway: Gateway) -> None:
    with gateway.connect("shop", "alice", ("analysts",)) as analyst:
        for oracle in (
            "select id from customers where email like 'canary.a%'",
            "select id from customers order by salary desc limit 1",
            "select count(case when ssn < '902' then 1 end) from customers",
            "select 1 / (case when phone like '+1%' then 0 else 1 end) from customers",
            "select id from contacts where mail > 'c'",
            "explain select 1 from customers where birth_date < '1982-01-01'",
            "select city from customers group by city, salary",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="hidden columns decide no rows"):
                analyst.execute(oracle)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r'"public\.customers\.email" is used in WHERE'):
            analyst.execute("select id from customers where email > %s", ["a"], prepare=True)
        assert analyst.execute("select count(*) from customers").fetchall() == [(4,)]


def test_analyst_finds_a_row_by_the_value_that_he_has(gateway: Gateway) -> None:
    with gateway.connect("shop", "alice", ("analysts",)) as analyst:
        mail = "canary.bo@example.com"
        for prepared in (False, True):
            found = analyst.execute("select id, city from customers where email = %s", [mail], prepare=prepared)
            assert found.fetchall() == [(2, "Lima")]
        found = analyst.execute("select id from customers where email = any (%s) order by id", [[mail, "x"]])
        assert found.fetchall() == [(2,)]
        assert analyst.execute("select id from customers where email is null").fetchall() == [(4,)]
        joined = "select count(*) from orders o join customers c on c.id = o.customer_id where c.city = 'Oslo'"
        assert analyst.execute(joined).fetchall() == [(20,)]


def test_label_that_one_sees_is_free_and_others_are_not(gateway: Gateway) -> None:
    with gateway.connect("shop", "sue", ("support",)) as support:
        assert support.execute("select id from customers where email like '%ada%' order by phone").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"customers\.ssn"):
            support.execute("select id from customers order by ssn")
