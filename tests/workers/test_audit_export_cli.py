"""The export verb: lines to a file or a pipe, messages to real collectors, and one line where it cannot."""

import json
import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.gateway.audit.trail_rig import write_trail
from workers.audit_group import audit
from workers.audit_trail import read_all


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trail")
    write_trail(folder, 3, chains=2, segments=2)
    return folder


def export(trail: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audit, ["--dir", str(trail), "export", *arguments])


def test_lines_are_the_records_in_order(trail: Path, tmp_path: Path) -> None:
    out = tmp_path / "trail.jsonl"
    assert export(trail, "--format", "jsonl", "--out", str(out)).exit_code == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [each["time"] for each in lines] == sorted(each["time"] for each in lines)
    assert {each["id"] for each in lines} == {each.id for each in read_all(trail)}
    again = export(trail, "--format", "jsonl", "--out", str(out))
    assert again.exit_code == 2
    assert "there already" in again.output


def test_conditions_choose(trail: Path) -> None:
    said = export(trail, "--format", "ocsf", "--user", "alice", "--kind", "intent")
    events = [json.loads(line) for line in said.stdout.splitlines()]
    assert events
    assert {each["actor"]["user"]["name"] for each in events} == {"alice"}


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_collector_gets_every_message(trail: Path, scheme: str) -> None:
    kind = socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM
    received: list[bytes] = []
    with socket.socket(socket.AF_INET, kind) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        if scheme == "tcp":
            server.listen()

        def collect() -> None:
            if scheme == "tcp":
                with server.accept()[0] as peer, peer.makefile("rb") as stream:
                    while length := b"".join(iter(lambda: stream.read(1).strip(), b"")):
                        received.append(stream.read(int(length)))
            else:
                while not received or not received[-1].startswith(b"end"):
                    received.append(server.recv(1 << 16))
                received.pop()

        collector = threading.Thread(target=collect)
        collector.start()
        where = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        done = export(trail, "--format", "syslog", "--to", where, "--kind", "outcome")
        assert done.exit_code == 0, done.output
        if scheme == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", server.getsockname())
        collector.join(20)
    ids = {each.id for each in read_all(trail) if each.kind == "outcome"}
    assert {json.loads(each[each.index(b"\xef\xbb\xbf") + 3 :])["id"] for each in received} == ids


def test_collector_that_is_not_there_is_one_line(trail: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        said = export(trail, "--format", "syslog", "--to", f"tcp://127.0.0.1:{free.getsockname()[1]}")
    assert said.exit_code == 3
    assert said.output.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "parquet"),
        ("--format", "parquet", "--out", "x", "--user", "alice"),
        ("--format", "jsonl", "--to", "tcp://127.0.0.1:1"),
        ("--format", "syslog", "--to", "http://127.0.0.1"),
        ("--format", "csv"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(trail: Path, arguments: tuple[str, ...]) -> None:
    assert export(trail, *arguments).exit_code == 2


def test_parquet_says_what_it_wrote(trail: Path, tmp_path: Path) -> None:
    said = export(trail, "--format", "parquet", "--out", str(tmp_path / "lake"))
    assert said.exit_code == 0, said.output
    assert "4 new files" in said.output
    assert "0 new files" in export(trail, "--format", "parquet", "--out", str(tmp_path / "lake")).output
