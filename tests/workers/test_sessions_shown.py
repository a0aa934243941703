"""Sessions as they travel to operators."""

import pytest

from tests.workers.admin_rig import session
from workers.sessions_shown import pack, unpack


def test_sessions_arrive_as_they_were_sent() -> None:
    sent = [session(1), session(2, state="running", running_since=2.5, statement="select $1", tables=("public.a",))]
    assert unpack(pack(sent)) == sent


def test_what_is_no_list_of_sessions_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected"):
        unpack(b"\x01")
