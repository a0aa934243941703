"""Start-up parameters: pairs in, pairs out, never a loop, and nothing barred slips through `options`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refusal
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.rights import Rights
from gateway.policy.rules import load
from gateway.policy.startup import door, startup, wanted_role
from gateway.policy.table import PolicyTable
from gateway.settings import Settings

Pairs = list[tuple[str, str]]


def rights(allow: str = "write", unmask: str = "email") -> Rights:
    text = f'[[grant]]\nname = "g"\nallow = ["{allow}"]\nunmask = ["{unmask}"]\n'
    table = PolicyTable(compile([load(text, "p")], Settings()))
    return table.rights(Principal("alice", "i", (), (), 9e9, "t"), "shop", "dev", 0.0, 1)


def refused(params: Pairs, given_rights: Rights | None = None) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        startup(params, given_rights or rights())
    assert caught.value.refused.hint
    return str(caught.value.refused.sqlstate), caught.value.refused.message


def test_everyday_parameters_travel_in_their_order() -> None:
    params = [
        ("application_name", "psql"), ("client_encoding", "'utf-8'"), ("DateStyle", "ISO"), ("statement_timeout", "5s"),
        ("extra_float_digits", "2"), ("my.own_setting", "x y"), ("search_path", '"a b", c'),
    ]  # fmt: skip
    assert startup(params, rights()) == params


def test_how_the_token_is_asked_for_is_read_and_goes_no_further() -> None:
    params = [("options", "-c sluice.auth=password -c a.b=c --sluice.issuer=company"), ("Sluice.Auth", "oauth")]
    assert door(params) == ("oauth", "company")
    assert door([("application_name", "sluice.auth")]) == ("", "")
    assert startup(params, rights()) == [("a.b", "c")]
    with pytest.raises(Refusal):
        door([("options", "-c")])


def test_what_the_gateway_sets_itself_is_left_out() -> None:
    params = [("user", "x"), ("database", "y"), ("role", "z"), ("_pq_.thing", "1"), ("application_name", "a")]
    assert startup(params, rights()) == [("application_name", "a")]
    assert wanted_role(params) == "z"
    assert wanted_role([("application_name", "a")]) is None


@pytest.mark.parametrize(
    ("options", "pairs"),
    [
        ("", []),
        ("  \t ", []),
        ("-c a=b", [("a", "b")]),
        ("-ca=b", [("a", "b")]),
        ("--a=b", [("a", "b")]),
        ("--statement-timeout=5 -c lock-timeout=7", [("statement_timeout", "5"), ("lock_timeout", "7")]),
        ("-c a=", [("a", "")]),
        ("-c a=b=c", [("a", "b=c")]),
        ("-c a=x\\ y", [("a", "x y")]),
        ("-c a=x\\\\y", [("a", "x\\y")]),
        ("-c\\ a=b".replace("\\ ", " "), [("a", "b")]),
        ("-c a=1 -c A=2", [("a", "2")]),
        ("-c a=1\\", [("a", "1")]),
        ("-c a.b=1", [("a.b", "1")]),
    ],
)
def test_options_are_split_as_the_server_splits_them(options: str, pairs: Pairs) -> None:
    assert startup([("options", options)], rights()) == pairs


def test_the_packets_own_pairs_win_over_options() -> None:
    assert startup([("a", "1"), ("options", "-c a=2 -c b=3")], rights()) == [("a", "1"), ("b", "3")]
    assert wanted_role([("role", "x"), ("options", "-c role=y")]) == "x"
    assert wanted_role([("options", "-c role=y")]) == "y"
    assert wanted_role([("options", "--ROLE=y")]) == "y"


@pytest.mark.parametrize(
    "options",
    ["-c", "-c=", "-c =b", "-c a", "--", "--=", "--a", "-", "-d 5", "-o x", "a=b", "-c \\", "-C a=b", "-c a b=c", "-c 1=2",
     "-c a..b=1", "-c .a=1", "-c a;b=1", "-c " + "a" * 64 + "=1", "-cc a=b", "-c é=1", "-c a=1 -c"],
)  # fmt: skip
def test_switches_that_are_no_settings_are_refused_at_once(options: str) -> None:
    assert refused([("options", options)])[0] == "28000"
    with pytest.raises(Refusal):
        wanted_role([("options", options)])


@pytest.mark.parametrize("name", ["", " ", "a b", "a\nb", "a=b", "-c", "a'", 'a"', "a" * 64, "é", "\0"])
def test_names_that_no_setting_can_have_are_refused(name: str) -> None:
    assert refused([(name, "x")])[0] == "28000"


def test_a_nul_in_a_value_is_refused() -> None:
    assert refused([("application_name", "a\0b")])[0] == "28000"


@pytest.mark.parametrize(
    "params",
    [
        [("session_authorization", "postgres")],
        [("SESSION_AUTHORIZATION", "postgres")],
        [("log_statement", "none")],
        [("options", "-c log-statement=none")],
        [("options", "--session-preload-libraries=x")],
        [("options", "-c local_preload_libraries=x")],
        [("standard_conforming_strings", "off")],
        [("options", "-c standard_conforming_strings=o\\ff")],
        [("client_encoding", "SJIS")],
        [("options", "-c client_encoding=GB18030")],
        [("session_replication_role", "replica")],
    ],
)
def test_settings_barred_for_set_are_barred_here(params: Pairs) -> None:
    state, message = refused(params)
    assert state == "42501"
    assert "postgres" not in message
    assert startup(params, rights("all"))


@pytest.mark.parametrize("value", ["true", "database", "on", "1", "yes", "2", "DATABASE", "x"])
def test_replication_needs_everything_in_clear(value: str) -> None:
    assert refused([("replication", value)])[0] == "42501"
    assert refused([("options", f"-c replication={value}")])[0] == "42501"
    assert refused([("replication", value)], rights("all"))[0] == "42501"
    assert refused([("replication", value)], rights("read", "*"))[0] == "42501"
    assert startup([("replication", value)], rights("all", "*")) == [("replication", value)]


@pytest.mark.parametrize("value", ["false", "off", "0", "no"])
def test_no_replication_is_an_ordinary_session(value: str) -> None:
    assert startup([("replication", value)], rights()) == []


NAMES = st.sampled_from(["options", "role", "replication", "a", "client_encoding", "_pq_.x", "user", "", "A b"])
TEXTS = st.text(alphabet="-c=ab \\.\t'", max_size=20)


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=5))
def test_any_packet_ends_in_pairs_or_a_refusal(params: Pairs) -> None:
    try:
        found = startup(params, rights())
        wanted_role(params)
    except Refusal:
        return
    names = [name.lower() for name, _ in found]
    assert len(names) == len(set(names))
    assert not {"user", "database", "options", "role", "replication", ""} & set(names)
    assert not any(name.startswith("_pq_.") for name in names)


def escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in " \\\t\n" else char for char in text)


@given(st.dictionaries(st.from_regex(r"x[a-z]{0,6}", fullmatch=True), st.text(alphabet="a \\\t\n=-c'", max_size=9)))
def test_escaped_values_come_back_whole(chosen: dict[str, str]) -> None:
    options = " ".join(f"-c {name}={escaped(value)}" for name, value in chosen.items())
    assert startup([("options", options)], rights()) == list(chosen.items())


READ_ONLY = ("default_transaction_read_only", "on")


def test_who_may_only_read_gets_a_session_that_only_reads() -> None:
    assert startup([("a", "1")], rights("read")) == [("a", "1"), READ_ONLY]
    for allow in ("write", "ddl", "admin", "all"):
        assert startup([("a", "1")], rights(allow)) == [("a", "1")]
    kept = ("Default_Transaction_Read_Only", "true")
    assert startup([kept], rights("read")) == [kept]
    for params in ([("default_transaction_read_only", "off")], [("options", "-c default-transaction-read-only=0")]):
        state, message = refused(params, rights("read"))
        assert state == "42501"
        assert "no grant here allows write" in message
        assert startup(params, rights("write"))
