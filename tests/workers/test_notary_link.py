"""What the supervisor, the notary and operators' commands say to each other."""

import os
import socket
from pathlib import Path

import msgspec
import pytest

from workers import notary_link
from workers.control import pair
from workers.notary_link import Finish, Happened, Operators, Report, Reread
from workers.run_folder import RunFolder


def test_messages_arrive_as_they_were_sent() -> None:
    ours, theirs = pair()
    sent = [
        Happened("policy", {"what": "policy published", "changes": {"grants": {"added": ["a"]}}}, 5),
        Reread(),
        Finish(),
        Report("", 1, 2, "ab", 0, "", 0),
    ]
    with ours, theirs:
        for message in sent:
            ours.send(notary_link.encode(message))
        assert [notary_link.receive(theirs) for _ in sent] == sent
        with pytest.raises(BlockingIOError):
            notary_link.receive(theirs)
        ours.close()
        assert notary_link.receive(theirs) is None


def test_kernel_says_who_ran_a_command(tmp_path: Path) -> None:
    folder = RunFolder.make(tmp_path / "run")
    assert not notary_link.tell(tmp_path / "run", "audit compress", {})
    operators = Operators(folder)
    assert operators.hear() is None
    assert notary_link.tell(tmp_path / "run", "audit compress", {"segments": 3, "uid": 77, "what": "x"})
    said = operators.hear()
    assert said is not None
    assert said["login"]
    del said["login"]
    assert said == {"what": "command", "command": "audit compress", "segments": 3, "uid": os.getuid()}
    assert operators.hear() is None
    operators.close()
    assert not notary_link.tell(tmp_path / "run", "audit compress", {})
    folder.close()


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x90", msgspec.msgpack.encode({"command": [1]}), b"\xff" * 3000]
)
def test_what_is_no_message_is_passed_over(tmp_path: Path, data: bytes) -> None:
    folder = RunFolder.make(tmp_path / "run")
    operators = Operators(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
        teller.connect(folder.socket_path("notary.sock"))
        teller.send(data)
    assert notary_link.tell(tmp_path / "run", "token mint", {})
    said = operators.hear()
    assert said is not None
    assert said["command"] == "token mint"
    operators.close()
    folder.close()
