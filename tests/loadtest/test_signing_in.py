"""The table of sign-ins: medians with their spread, and the ratio to pgbouncer where it is there."""

from signing_in import CLIENTS, table


def test_ratio_is_that_of_the_medians() -> None:
    rates = {(clients, "pgbouncer"): [100.0, 300.0, 200.0] for clients in CLIENTS}
    rates |= {(clients, "sluice"): [90.0, 150.0, 100.0] for clients in CLIENTS}
    spent = {(clients, name): [10.0] for clients in CLIENTS for name in ("pgbouncer", "sluice")}
    lines = table(["pgbouncer", "sluice"], rates, spent)
    assert lines[2] == "| 1 client | 200 (100 to 300) | 100 (90 to 150) | 10 (10 to 10) | 10 (10 to 10) | 0.50 |"
    assert len(lines) == 2 + len(CLIENTS)


def test_without_pgbouncer_there_is_no_ratio() -> None:
    rates = {(clients, "sluice"): [90.0] for clients in CLIENTS}
    assert table(["sluice"], rates, rates)[2].endswith("| not installed |")
