"""How long messages may be is said for every type that a client may send."""

from gateway.session.lengths import COPY_DATA_BYTES_MAX, limits
from gateway.session.understand import _HANDLERS


def test_every_message_of_a_client_has_its_length() -> None:
    found = limits(1000)
    assert set(found) == set(_HANDLERS)
    assert {chr(kind): found[kind] for kind in b"QPBFSHcXd"} == {
        **dict.fromkeys("QPBF", 1000), **dict.fromkeys("SHcX", 4), "d": COPY_DATA_BYTES_MAX
    }  # fmt: skip
    assert limits(1000) is found
