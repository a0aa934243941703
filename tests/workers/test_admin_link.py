"""What the supervisor and the admin process say to each other."""

from gateway.identity.barred import Bar
from workers import admin_link
from workers.admin_link import Barred, Done, Errand, Recorded, Reread, Sent, Told, WorkerGone
from workers.control import pair
from workers.errands import Ended, MoveBars


def test_messages_arrive_as_they_were_sent() -> None:
    ours, theirs = pair()
    bar = Bar("actor", "bot", user="ann", by="rule")
    sent = [
        Reread(),
        Told("system", {"what": "keys fetched", "issuers": ["okta"]}),
        Errand(2, MoveBars((bar,), (bar.key,))),
        Sent(2, (0, 1)),
        Done(2, 1, Ended(3)),
        WorkerGone(1),
        Barred(bar),
        Recorded(7),
    ]
    with ours, theirs:
        for message in sent:
            admin_link.send(ours, message)
        assert [admin_link.receive(theirs) for _ in sent] == [(message, None) for message in sent]
