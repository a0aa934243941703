"""The end of the demo: what the audit says of the same minutes, and an auditor's three questions."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers import demo_shop

CELL_CHARACTERS: Final = 34
_NAMES: Final = ("user", "agents", "decision", "rule", "statement (literals out)", "rows", "masked", "sqlstate")


@dataclass(frozen=True, slots=True)
class Teller:
    """Where it is told, and how `sluice` is called."""

    console: Console
    sluice: Callable[..., CompletedProcess[str]]

    def ask(self, question: str, *command: str) -> CompletedProcess[str]:
        """Tells the question and the command that answers it; the answer."""
        line = " ".join(("sluice", *command))
        self.console.print(Text.assemble((question, "bold"), (f"  {line}", "dim")))
        return self.sluice(*command)

    def tell(self, answer: CompletedProcess[str], style: str = "") -> None:
        """The answer as it was printed."""
        for line in (answer.stdout + answer.stderr).splitlines():
            self.console.print(Text(f"  {line}", style="red" if answer.returncode else style))
        self.console.print()


def trail(teller: Teller) -> bool:
    """What `sluice audit query` says of the same minutes."""
    asked = teller.sluice("audit", "query", "--database", "shop", "--json")
    records = [json.loads(line) for line in asked.stdout.splitlines()]
    outcomes = {record["intent"]: record for record in records if record["kind"] == "outcome"}
    intents = [record for record in records if record["kind"] == "intent"]
    console = teller.console
    console.print(
        Text("what the audit says", style="bold"), Text("  sluice audit query --database shop", style="dim")
    )
    table = Table(*_NAMES, box=box.SIMPLE_HEAD if console.is_terminal else box.ASCII2, pad_edge=False)
    for intent in intents:
        table.add_row(*(Text(_short(cell)) for cell in _row(intent, outcomes.get(intent["id"], {}))))
    console.print(table)
    return len(intents) >= len(demo_shop.SCENES)


def _row(intent: dict[str, Any], outcome: dict[str, Any]) -> tuple[object, ...]:
    masked = {column["column"].rpartition(".")[2] for column in outcome.get("columns_masked") or ()}
    agents = " for ".join(intent["actor"] or ())
    return (intent["user"], agents, intent["decision"], ", ".join(intent["rules"]), intent["statement"],
            outcome.get("rows", ""), ", ".join(sorted(masked)), outcome.get("sqlstate") or "")  # fmt: skip


def answers(teller: Teller) -> bool:
    """Who granted access, what data moved, and whether production was touched."""
    batch = demo_shop.BATCH.actors[0]
    held = next(scene for scene in demo_shop.SCENES if scene.outcome == "held")
    asked = teller.sluice("audit", "query", "--database", "shop", "--actor", batch, "--kind", "intent", "--json")
    records = [json.loads(line) for line in asked.stdout.splitlines()]
    session = next((one["session"] for one in records if one["statement_kind"] == held.statement[:6].upper()), "")
    good = bool(session)
    for question, command in (
        ("who granted what the batch changed?", ("audit", "who-granted", "--session", session)),
        ("what moved?", ("audit", "what-moved", "--actor", batch)),
        ("was production touched?", ("audit", "who-touched", "production", "--actor", batch)),
    ):
        answer = teller.ask(question, *command)
        teller.tell(answer)
        good = good and answer.returncode == 0
    return good


def verified(teller: Teller) -> bool:
    """Whether the trail is whole."""
    answer = teller.ask("is it whole?", "audit", "verify")
    teller.tell(answer, "green")
    return answer.returncode == 0


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"
