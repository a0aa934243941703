"""Who gets in, and what those who do not are told."""

import pytest

from tests.live.rig import Gateway
from tests.live.wire import Wire, error_fields, startup


def refused(gateway: Gateway, database: str, user: str, token: str) -> dict[str, str]:
    """The fields of the error that ends the sign-in."""
    with Wire(gateway.port) as wire:
        seen = wire.sign_in(token, {"user": user, "database": database})
        errors = [error_fields(body) for kind, body in seen if kind == b"E"]
        assert len(errors) == 1, seen
        assert wire.reply() == (b"", b""), "the connection ends after the error"
        return errors[0]


def test_person_with_a_token_gets_in_as_the_database_role(gateway: Gateway) -> None:
    with gateway.connect("dev") as connection:
        assert connection.execute("select current_user, 1").fetchone() == ("sluice", 1)


def test_grant_names_the_upstream_role(gateway: Gateway) -> None:
    with gateway.connect("shop", "ann", ("analysts",)) as connection:
        assert connection.execute("select current_user").fetchone() == ("app_ro",)


@pytest.mark.parametrize("statement", ["discard all", "reset all", "reset role"])
def test_upstream_role_outlives_a_driver_that_resets_its_session(gateway: Gateway, statement: str) -> None:
    with gateway.connect("shop", "ann", ("analysts",)) as connection:
        connection.execute(statement)
        assert connection.execute("select current_user").fetchone() == ("app_ro",)


@pytest.mark.parametrize("database", ["dev_md5", "dev_plain", "dev_trust"])
def test_gateway_signs_in_upstream_in_every_way(gateway: Gateway, database: str) -> None:
    with gateway.connect(database) as connection:
        assert connection.execute("select session_user").fetchone() == (
            f"sluice_{database.removeprefix('dev_')}",
        )


@pytest.mark.parametrize(
    "token", ["", "garbage", "a.b.c", "x" * 9000, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvbGdhIn0."]
)
def test_token_that_is_none_is_refused(gateway: Gateway, token: str) -> None:
    assert refused(gateway, "dev", "olga", token)["C"] == "28P01"


def test_token_of_another_person_is_refused(gateway: Gateway) -> None:
    fields = refused(gateway, "dev", "ann", gateway.token("olga", ("owners",)))
    assert fields["C"] == "28P01"


def test_token_with_a_flipped_bit_is_refused(gateway: Gateway) -> None:
    head, payload, signature = gateway.token("olga", ("owners",)).split(".")
    for bad in (
        f"{head}.{payload}.{signature[:10]}{'A' if signature[10] != 'A' else 'B'}{signature[11:]}",
        f"{head}.{payload[:10]}{'A' if payload[10] != 'A' else 'B'}{payload[11:]}.{signature}",
        f"{head}.{payload}.",
    ):
        assert refused(gateway, "dev", "olga", bad)["C"] == "28P01"


def test_bad_token_gets_the_same_words_whoever_it_names(gateway: Gateway) -> None:
    """Nobody learns from the answer which people there are."""
    known, unknown = (refused(gateway, "dev", user, "garbage") for user in ("olga", "nobody-we-know"))
    assert known == unknown


def test_person_without_a_grant_is_refused(gateway: Gateway) -> None:
    fields = refused(gateway, "shop", "eve", gateway.token("eve", ("visitors",)))
    assert fields["C"] in ("28000", "42501")


def test_agent_without_a_grant_for_agents_is_refused(gateway: Gateway) -> None:
    """The grant "support sees phones" names no actors: people only."""
    with gateway.connect("shop", "sue", ("support",)) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    fields = refused(gateway, "shop", "sue", gateway.token("sue", ("support",), "agent-7"))
    assert fields["C"] in ("28000", "42501")


def test_agent_with_a_grant_gets_in_for_its_person(gateway: Gateway) -> None:
    with gateway.connect("shop", "ann", ("analysts",), "agent-7") as connection:
        assert connection.execute("select count(*) from customers").fetchone() == (4,)


def test_unknown_database_is_told_at_once(gateway: Gateway) -> None:
    assert refused(gateway, "nowhere", "olga", gateway.token("olga", ("owners",)))["C"] == "3D000"


def test_database_that_the_server_does_not_have_is_told_in_its_own_words(gateway: Gateway) -> None:
    fields = refused(gateway, "nodb", "olga", gateway.token("olga", ("owners",)))
    assert fields["C"] == "3D000"
    assert fields["S"] == "FATAL"


def test_unreachable_database_is_told(gateway: Gateway) -> None:
    assert refused(gateway, "down", "olga", gateway.token("olga", ("owners",)))["C"] == "08006"


def test_error_never_quotes_the_token(gateway: Gateway) -> None:
    token = gateway.token("olga", ("owners",))
    fields = refused(gateway, "dev", "ann", token)
    assert not any(part in value for value in fields.values() for part in token.split("."))


def test_failed_sign_ins_are_on_record(gateway: Gateway) -> None:
    refused(gateway, "dev", "mallory", "garbage")
    records = gateway.audit("--user", "mallory")
    assert records
    assert {record["kind"] for record in records} == {"session"}


def test_start_up_without_a_user_is_a_violation(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(startup({"database": "dev"}))
        seen = wire.replies(b"E")
        assert error_fields(seen[-1][1])["C"] in ("08P01", "28000")
        assert wire.reply() == (b"", b"")
