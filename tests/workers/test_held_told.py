"""How a statement that waits is told: never with what is sealed, and alike where it is alike."""

import msgspec
import pytest

from gateway.approvals import sealed
from gateway.approvals.statements import Held
from tests.workers.desk_rig import waits
from workers.held_told import as_told, facts_of, made, shape_of

KEY = b"k" * 32


def held() -> Held:
    asked = waits("h1")
    facts = {name: getattr(asked, name) for name in asked.__struct_fields__ if name in Held.__struct_fields__}
    return Held(**facts, state="pending", shape=b"shape", secret=b"sealed", host="here", claimed=True)


def test_nothing_that_is_sealed_or_binds_is_told() -> None:
    told = as_told(held(), held().since)
    assert not {"secret", "binding", "shape", "token_id", "host", "claimed"} & told.keys()
    assert (told["kind"], told["state"], told["by"]) == ("statement", "pending", held().by)
    assert as_told(held(), held().until)["state"] == "expired"


def test_records_name_the_request_and_what_binds_it() -> None:
    facts = facts_of(held())
    assert (facts["approval"], facts["binding"]) == ("h1", held().binding.hex())
    assert b"sealed" not in msgspec.json.encode(facts)


@pytest.mark.parametrize(("change", "same"), [
    ({"values": b"other"}, True),
    ({"id": "h2", "session": "s2", "token_id": "t2"}, True),
    ({"statement": "update t set b = $1"}, False),
    ({"user": "somebody"}, False),
    ({"database": "elsewhere"}, False),
    ({"policy": "p2"}, False),
])  # fmt: skip
def test_alike_is_what_differs_in_its_values_alone(change: dict[str, object], same: bool) -> None:
    one = waits("h1")
    assert (shape_of(one) == shape_of(msgspec.structs.replace(one, **change))) is same


def test_where_literals_are_code_the_text_is_the_shape() -> None:
    one = waits("h1", by_text=True)
    assert shape_of(one) != shape_of(msgspec.structs.replace(one, text=b"do 'something else'"))


def test_a_ticket_waits_with_no_gateway_and_says_why_nothing_was_tried() -> None:
    one = waits("h1", previews=True)
    assert (made(one, KEY, "here").host, made(one, KEY, "here").awaits_preview) == ("here", True)
    ticket = made(msgspec.structs.replace(one, on_hold="ticket"), KEY, "here")
    assert (ticket.host, ticket.awaits_preview) == ("", False)
    assert ticket.preview is not None
    assert "does not wait" in ticket.preview.why
    assert sealed.unseal(ticket.secret, "h1", KEY).text == one.text
