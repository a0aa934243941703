"""The driver: which sections run, in which order, and what is said of one that breaks."""

import argparse
import contextlib
from collections.abc import Iterator

import bench
import pytest
from tables import BENCH


def test_only_runs_the_sections_named_in_the_order_of_the_table() -> None:
    assert bench.chosen("tls, tpcb") == ["tpcb", "tls"]


def test_strange_section_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"no section tsl; there are selects, .*tls"):
        bench.chosen("tsl,tpcb")


def test_command_is_told_as_it_is_typed_without_where_its_result_goes() -> None:
    assert bench.command(["--record"]) == "make bench"
    assert bench.command(["--short", "--record", "--only", "tpcb"]) == 'make bench ARGS="--short --only tpcb"'


def test_every_section_has_its_place_in_the_document() -> None:
    text = BENCH.read_text()
    for name in bench.SECTIONS:
        assert text.count(f"<!-- {name}: begin -->") == text.count(f"<!-- {name}: end -->") == 1, name


def test_section_that_breaks_is_told_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextlib.contextmanager
    def nothing() -> Iterator[None]:
        yield None

    def breaks(servers: object, *, short: bool) -> list[str]:
        raise ValueError("no room")

    monkeypatch.setattr(bench, "running", nothing)
    monkeypatch.setattr(bench, "SECTIONS", {"one": breaks, "two": lambda servers, *, short: [f"short: {short}"]})
    kept: dict[str, str] = {}
    assert bench.run(["one", "two"], [], short=True, keep=kept.__setitem__) == ["one"]
    assert kept["one"].splitlines()[-1] == "Not measured: ValueError: no room"
    assert kept["two"].splitlines()[-1] == "short: True"
    assert kept["two"] in capsys.readouterr().out
