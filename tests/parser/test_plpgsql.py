"""A body is plain only when nothing in it can be more than control flow, reading and changing rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser.plpgsql import plain

READS, WRITES = frozenset({"read"}), frozenset({"read", "write"})


@pytest.mark.parametrize(
    ("body", "effects"),
    [
        ("begin return 1; end", READS),
        ("declare n int := 0; begin for r in select * from t loop n := n + r.a; end loop; return n; end", READS),
        ("begin update t set a = 1 where id = new.id; return new; end", WRITES),
        ("begin insert into log (a, b) values (1, 2) on conflict do nothing; return null; end", WRITES),
        ("begin insert into t values (1) on conflict (a) do update set a = excluded.a; end", WRITES),
        ("begin delete from t where a = 1; exception when others then raise notice 'no'; end", WRITES),
        ("begin merge into t using s on true when matched then update set a = 1; end", WRITES),
        ("begin if tg_op = 'DELETE' then return old; end if; return new; end", READS),
        ("begin return query select 'drop table x'; end", READS),
        ('begin return (select "execute" from t); end', READS),
        ("begin /* execute 'x' */ return 1; -- drop table t\nend", READS),
        ("<<outer>> begin while true loop exit outer; end loop; end", READS),
    ],
)
def test_plain_bodies_read_and_change_rows(body: str, effects: frozenset[str]) -> None:
    found = plain(body.encode())
    assert found is not None
    assert found.effects == effects


@pytest.mark.parametrize(
    "body",
    [
        "begin execute 'drop table ' || name; end",
        "begin EXECUTE format('%I', x); end",
        "begin for r in execute q loop null; end loop; end",
        "begin open c for execute q; end",
        "begin return query execute q; end",
        "begin drop table t; end",
        "begin truncate t; end",
        "begin create temp table x (a int); end",
        "begin alter table t add b int; end",
        "begin grant all on t to public; end",
        "begin set role postgres; end",
        "begin if x then set local search_path = evil; end if; end",
        "begin null; set search_path to a; end",
        "<<l>>\nset role x",
        "begin commit; end",
        "begin call p(); end",
        "begin copy t to program 'sh'; end",
        "begin do 'x'; end",
        "begin notify c, 'x'; end",
        "begin 'unclosed; end",
        "begin $x$ end",
    ],
)
def test_bodies_that_could_do_more_are_opaque(body: str) -> None:
    assert plain(body.encode()) is None


def test_what_may_be_called_is_named() -> None:
    found = plain(b"""begin
        perform pg_sleep(1), app.audit(new), "Own"(2);
        insert into log (a) select x.pg_read_file from t x where a in (1) and (b) ~~~~ c;
        return new.amount::wiper;
    end""")
    assert found is not None
    assert found.calls >= {(None, "pg_sleep"), ("app", "audit"), (None, "Own"), (None, "pg_read_file"), (None, "amount")}
    assert not {(None, "in"), (None, "log"), (None, "and")} & found.calls
    assert "~~~~" in found.operators
    assert "wiper" in found.names


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_opaque(body: bytes) -> None:
    plain(body)


@given(st.sampled_from(["execute", "drop", "truncate", "call"]), st.sampled_from([" ", "\n", "/*x*/", "--\n"]))
def test_a_command_makes_any_body_opaque_however_it_is_spaced(word: str, gap: str) -> None:
    assert plain(f"begin{gap}return 1;{gap}{word.title()}{gap}x; end".encode()) is None
    assert plain(f"begin{gap}return '{word}';{gap}end".encode()) is not None
