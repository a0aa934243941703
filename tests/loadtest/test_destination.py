"""Where load goes: connection strings in both of libpq's forms, TLS as libpq means it, and what is missing is told."""

import ssl
from pathlib import Path

import pytest
from destination import DestinationError, address, destination

from tests.workers.wire_rig import make_certificate


@pytest.mark.parametrize(
    "dsn",
    [
        "host=db.example port=6432 dbname=prod user=ann password='a token' sslmode=disable",
        "postgresql://ann:a%20token@db.example:6432/prod?sslmode=disable",
    ],
)
def test_both_forms_of_a_connection_string_say_the_same(dsn: str) -> None:
    there = address(dsn)
    assert (there.host, there.port, there.user, there.database) == ("db.example", 6432, "ann", "prod")
    assert there.password == "a token"
    assert there.tls is None


def test_what_is_not_said_is_as_in_libpq() -> None:
    there = address("user=ann")
    assert (there.port, there.database) == (5432, "ann")
    assert there.tls
    assert there.tls_optional


@pytest.mark.parametrize(
    ("mode", "verifies", "names"),
    [("prefer", False, False), ("require", False, False), ("verify-ca", True, False), ("verify-full", True, True)],
)
def test_tls_proves_what_its_mode_says(tmp_path: Path, mode: str, verifies: bool, names: bool) -> None:
    root = f" sslrootcert={make_certificate(tmp_path, 'localhost')[0]}" if verifies else ""
    there = address(f"user=ann sslmode={mode}{root}")
    assert there.tls
    assert (there.tls.verify_mode is ssl.CERT_REQUIRED) is verifies
    assert there.tls.check_hostname is names
    assert there.tls_optional is (mode == "prefer")


def test_require_with_a_root_verifies(tmp_path: Path) -> None:
    there = address(f"user=ann sslmode=require sslrootcert={make_certificate(tmp_path, 'localhost')[0]}")
    assert there.tls
    assert there.tls.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("user=ann sslmode=sometimes", "sslmode is one of"),
        ("user=ann sslmode=verify-full sslrootcert=/nowhere/root.crt", "sslrootcert cannot be read"),
        ("user=ann channel_binding=require", "leave out channel_binding"),
        ("user=ann host=/run/postgresql", "over TCP"),
        ("user=ann host=a,b", "one name"),
        ("host=a", "as whom"),
        ("this is none", "SLUICE_DSN"),
    ],
)
def test_connection_string_that_cannot_be_followed_says_why(dsn: str, said: str) -> None:
    with pytest.raises(DestinationError, match=said):
        address(dsn)


@pytest.mark.parametrize("environ", [{}, {"SLUICE_DSN": "user=ann"}])
def test_what_the_environment_lacks_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(DestinationError, match=r"set SLUICE_(DSN|TOKEN)"):
        destination(environ)


def test_refusals_are_those_of_the_file_for_the_table(tmp_path: Path) -> None:
    file = tmp_path / "refusals.toml"
    file.write_text('[[refusal]]\nname = "n"\nstatement = "drop table {table}"\nsqlstate = "42501"\nrule = "r"\n')
    there = destination(
        {
            "SLUICE_DSN": "user=ann",
            "SLUICE_TOKEN": "t",
            "SLUICE_LOAD_TABLE": "crm.people",
            "SLUICE_LOAD_REFUSALS": str(file),
        }
    )
    assert [each.statement for each in there.refusals] == ["drop table crm.people"]
    assert set(there.tokens.values()) == {"t"}


def test_file_of_refusals_that_lacks_something_is_named(tmp_path: Path) -> None:
    file = tmp_path / "refusals.toml"
    file.write_text('[[refusal]]\nname = "n"\n')
    with pytest.raises(DestinationError, match=r"refusals\.toml.*statement"):
        destination({"SLUICE_DSN": "user=ann", "SLUICE_TOKEN": "t", "SLUICE_LOAD_REFUSALS": str(file)})
