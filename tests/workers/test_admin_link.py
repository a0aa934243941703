"""What the supervisor and the admin process say to each other."""

from workers import admin_link
from workers.admin_link import Reread, Told
from workers.control import pair


def test_messages_arrive_as_they_were_sent() -> None:
    ours, theirs = pair()
    sent = [Reread(), Told("system", {"what": "keys fetched", "issuers": ["okta"]})]
    with ours, theirs:
        for message in sent:
            admin_link.send(ours, message)
        assert [admin_link.receive(theirs) for _ in sent] == [(message, None) for message in sent]
