"""Requests in memory, with the judgement that a store makes: who may decide, how many are needed, and once."""

import dataclasses
from collections.abc import Callable

import msgspec
import trio

from gateway.approvals.view import Approver, Evidence, Outcome, View


@dataclasses.dataclass(frozen=True)
class Taken:
    """One decision that counted."""

    request: str
    approver: Approver
    approve: bool
    words: str
    evidence: Evidence


class Decider:
    """`settled` is called with what is over."""

    def __init__(self, *views: View) -> None:
        self.views = {one.id: one for one in views}
        self.taken: list[Taken] = []
        self.looked: list[tuple[str, str, str]] = []  # who was shown literals of what, and where
        self.refused: list[tuple[str, Approver]] = []
        self.settled: Callable[[View], None] = lambda view: None
        self.moved = trio.Event()

    async def view(self, request_id: str) -> View | None:
        return self.views.get(request_id)

    async def look(self, request_id: str, approver: Approver, evidence: Evidence) -> View | None:
        view = self.views.get(request_id)
        if view is None or _own(view, approver) or not _named(view, approver):
            return None
        self.looked.append((request_id, approver.user, evidence["channel"]))
        return view

    async def decide(self, request_id: str, approver: Approver, approve: bool, words: str, evidence: Evidence) -> Outcome:
        outcome = self._judged(request_id, approver, approve, words, evidence)
        if not outcome.ok:
            self.refused.append((outcome.words, approver))
        moved, self.moved = self.moved, trio.Event()
        moved.set()
        return outcome

    def _judged(self, request_id: str, approver: Approver, approve: bool, words: str, evidence: Evidence) -> Outcome:
        view = self.views.get(request_id)
        if view is None or view.state != "open":
            return Outcome(False, "The request is over.")
        if _own(view, approver):
            return Outcome(False, "Nobody decides his own request.")
        if not _named(view, approver):
            return Outcome(False, "You are no approver of it.")
        if any(one.request == request_id and one.approver.user == approver.user for one in self.taken):
            return Outcome(False, "You have decided already.")
        self.taken.append(Taken(request_id, approver, approve, words, evidence))
        given = view.given + approve
        state = "denied" if not approve else "approved" if given >= view.needed else "open"
        view = msgspec.structs.replace(view, given=given, state=state, decided_by=approver.user, decided_words=words)
        self.views[request_id] = view
        if state != "open":
            self.settled(view)
        return Outcome(True, f"{given} of {view.needed} given.")

    async def until(self, ready: Callable[[], bool]) -> None:
        """Waits for something that a decision brings."""
        with trio.fail_after(10):
            while not ready():
                await self.moved.wait()


def _own(view: View, approver: Approver) -> bool:
    return bool(approver.actors) or approver.user in (view.user, view.account, *view.actors)


def _named(view: View, approver: Approver) -> bool:
    return approver.user in view.approver_users or bool(set(approver.groups) & set(view.approver_groups))
