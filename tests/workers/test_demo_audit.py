"""The demo's end: what the audit says, and the three questions; `sluice` is the test's own."""

import io
import json
from subprocess import CompletedProcess

from rich.console import Console

from workers import demo_shop
from workers.demo_audit import Teller, answers, trail, verified

INTENTS = [
    {
        "kind": "intent",
        "id": str(at),
        "user": "mia",
        "actor": ["trainer", "orchestrator"],
        "decision": "hold",
        "rules": ["r"],
        "statement": "update customers set city = $1::text where city = $2::text",
        "statement_kind": "UPDATE",
        "session": "s9",
    }
    for at in range(len(demo_shop.SCENES))
]
OUTCOME = {"kind": "outcome", "intent": "0", "rows": 7, "columns_masked": [{"column": "public.customers.email"}]}


class Sluice:
    """Answers each command; `fails`: the one that does not work."""

    def __init__(self, fails: str = "", records: list[dict[str, object]] | None = None) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.fails = fails
        self.lines = "\n".join(json.dumps(one) for one in ([*INTENTS, OUTCOME] if records is None else records))

    def __call__(self, *command: str) -> CompletedProcess[str]:
        self.asked.append(command)
        if command[1] == "query":
            return CompletedProcess(command, 0, self.lines, "")
        return CompletedProcess(command, int(command[1] == self.fails), f"answer to {command[1]}", "")


def told(sluice: Sluice) -> tuple[Teller, io.StringIO]:
    page = io.StringIO()
    return Teller(Console(file=page, width=140), sluice), page


def test_every_statement_is_a_line_with_who_and_what() -> None:
    teller, page = told(Sluice())
    assert trail(teller)
    assert "trainer for orchestrator" in page.getvalue()
    assert "email" in page.getvalue()
    assert not trail(told(Sluice(records=INTENTS[:2]))[0]), "not all of them are on record"


def test_an_auditor_s_questions_are_about_the_session_that_changed_something() -> None:
    sluice = Sluice()
    teller, page = told(sluice)
    assert answers(teller)
    assert ("audit", "who-granted", "--session", "s9") in sluice.asked
    assert ("audit", "who-touched", "production", "--actor", "trainer") in sluice.asked
    for question in ("who-granted", "what-moved", "who-touched"):
        assert f"answer to {question}" in page.getvalue()
        assert not answers(told(Sluice(fails=question))[0])
    assert not answers(told(Sluice(records=[]))[0]), "nothing was changed"


def test_a_trail_that_does_not_verify_is_no_good_end() -> None:
    assert verified(told(Sluice())[0])
    assert not verified(told(Sluice(fails="verify"))[0])
