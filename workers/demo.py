"""`sluice demo`: the whole product against an embedded PostgreSQL, told as a story, leaving nothing behind."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers import demo_shop
from workers.demo_release import released
from workers.embedded import EmbeddedError, EmbeddedServer, clean_environment, free_port, wheel_programs

READY_SECONDS = 30.0
PIPE_COLUMNS = 132  # where no terminal says how wide it is
CELL_CHARACTERS = 34
ROLE = "sluice"
CONNECTIONS_MAX = 300  # `make load` lets a crowd in


@dataclass(slots=True)
class Stage:
    """What runs: the server, the gateway's folder and process, and where clients connect."""

    folder: Path
    server: EmbeddedServer
    port: int
    serve: subprocess.Popen[str] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "gateway" / "sluice.toml"


@click.command("demo")
@click.option(
    "--keep", is_flag=True, help="Leave the gateway and its database running, and print how to connect."
)
def demo(keep: bool) -> None:
    """Show the whole product against an embedded PostgreSQL."""
    sys.exit(run(keep))


def run(keep: bool) -> int:
    """Plays the demo; 0 when everything happened as told. With `keep` the gateway and the server stay up."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, highlight=False)
    signal.signal(signal.SIGTERM, _end)
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            stage = _raise_stage(console, stack)
            wonders = [_play(console, stage, scene) for scene in demo_shop.SCENES]
            wonders += [_audit(console, stage), _verify(console, stage)]
            if keep:
                stack.pop_all()
                _say_how_to_connect(console, stage)
    except EmbeddedError as error:
        console.print(Text(f"sluice: {error}", style="red"))
        return 1
    except KeyboardInterrupt:
        return 130
    if not keep:
        console.print(
            f"Took {time.monotonic() - started:.1f} s. Nothing is left running, no file is left behind."
        )
    return 0 if all(wonders) else 1


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _raise_stage(console: Console, stack: ExitStack) -> Stage:
    """Starts the server with the shop in it and the gateway before it; `stack` ends both and removes their folder."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-demo-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    stack.callback(_end_children)
    folder.chmod(0o755)  # the server's own user must reach its data; everything below is private
    home = folder / "postgresql"
    home.mkdir()
    with _step(console, "PostgreSQL out of a Python wheel, with 400 people and 2000 orders in it"):
        server = EmbeddedServer(wheel_programs(18), home, settings={"max_connections": str(CONNECTIONS_MAX)})
        server.create()
        server.start()
        stack.callback(server.stop)
        _load(server)
    stage = Stage(folder, server, free_port())
    with _step(
        console, "Sluice before it: a signing key, two grants, a guardrail and who releases what it holds, two workers"
    ):
        _configure(stage)
        stack.callback(_stop_gateway, stage)
        _start_gateway(stage)
    console.print()
    return stage


@contextmanager
def _step(console: Console, text: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    console.print(Text.assemble(("ready  ", "green"), f"{text} ({time.monotonic() - started:.1f} s)"))


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError:
        raise EmbeddedError(
            "the demo's client is not installed; pip install 'sluice-gateway[demo]'"
        ) from None
    return psycopg


def _load(server: EmbeddedServer) -> None:
    psycopg = _psycopg()
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"create role {ROLE} login password '{server.password}'")
        admin.execute(f"create database shop owner {ROLE}")
    with psycopg.connect(server.dsn("shop", ROLE)) as owner:
        owner.execute(demo_shop.SCHEMA)


def _configure(stage: Stage) -> None:
    """What a person does by hand: `sluice init`, then the ports and the database in sluice.toml, and a policy."""
    made = _sluice(stage, "init", str(stage.config.parent))
    if made.returncode:
        raise EmbeddedError(f"sluice init failed: {made.stderr.strip()}")
    password = stage.config.parent / "shop.password"
    password.touch(mode=0o600)
    password.write_text(stage.server.password)
    text = stage.config.read_text()
    text = text.replace("127.0.0.1:6432", f"127.0.0.1:{stage.port}", 1)
    text = text.replace("127.0.0.1:6480", f"127.0.0.1:{free_port()}", 1)
    text = text.replace("[gateway]\n", "[gateway]\nworkers = 2\n", 1)
    text = text[: text.index("[[database]]")] + (
        '[[database]]\nname = "shop"\nenvironment = "production"\nhost = "127.0.0.1"\n'
        f'port = {stage.server.port}\ndbname = "shop"\nuser = "{ROLE}"\n'
        'password_file = "shop.password"\nsslmode = "disable"\n'
    )
    stage.config.write_text(text)
    stage.config.with_name("policy.toml").write_text(demo_shop.POLICY)


def _sluice(stage: Stage, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    caller = {"SLUICE_TOKEN": token} if token else {}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "workers.cli", *arguments],
        env=clean_environment() | {"SLUICE_CONFIG": str(stage.config)} | caller,
        capture_output=True,
        text=True,
        check=False,
    )


def _start_gateway(stage: Stage) -> None:
    log = stage.folder / "gateway.log"
    with log.open("w") as output:
        stage.serve = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "workers.cli", "serve", "--config", str(stage.config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=clean_environment(),
            text=True,
            start_new_session=True,  # Ctrl-C here ends the demo, and the demo ends the gateway
        )
    deadline = time.monotonic() + READY_SECONDS
    while not any(line.startswith("ready ") for line in log.read_text().splitlines()):
        if stage.serve.poll() is not None or time.monotonic() > deadline:
            raise EmbeddedError("the gateway did not start:\n" + log.read_text()[-2000:])
        time.sleep(0.02)


def _end_children() -> None:
    """Ends whoever was being started when a signal came, before anybody knew of them: they would go on making files."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")  # proc(5); not in every kernel
    for child in map(int, listed.read_text(encoding="ascii").split() if listed.exists() else ()):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def _stop_gateway(stage: Stage) -> None:
    if stage.serve is None:
        return
    stage.serve.terminate()
    try:
        stage.serve.wait(timeout=40)
    except subprocess.TimeoutExpired:
        stage.serve.kill()
        stage.serve.wait()


def _token(stage: Stage, agent: bool = False, user: str = demo_shop.ANALYST, groups: str = demo_shop.GROUPS) -> str:
    actor = ["--actor", demo_shop.AGENT] if agent else []
    minted = _sluice(stage, "token", "mint", "--user", user, "--groups", groups, *actor)
    if minted.returncode:
        raise EmbeddedError(f"sluice token mint failed: {minted.stderr.strip()}")
    return minted.stdout.strip()


def _play(console: Console, stage: Stage, scene: demo_shop.Scene) -> bool:
    """Sends the scene's statement as its visitor and prints what came back."""
    psycopg = _psycopg()
    who = f"{demo_shop.AGENT} for {demo_shop.ANALYST}" if scene.agent else demo_shop.ANALYST
    console.print(Text.assemble((who, "bold magenta" if scene.agent else "bold blue"), f"  {scene.title}"))
    console.print(Text(f"  {scene.statement}", style="dim"))
    expected_refusal = scene.agent and not scene.held and not scene.statement.startswith("select")
    dsn = f"host=127.0.0.1 port={stage.port} dbname=shop user={demo_shop.ANALYST}"
    refused = None
    try:
        with psycopg.connect(dsn, password=_token(stage, scene.agent), autocommit=True) as connection:
            connection.add_notice_handler(lambda said: _notice(console, said.message_primary or ""))
            with _deciding(console, stage, scene):
                cursor = connection.execute(scene.statement)
            if cursor.description is None:
                console.print(Text(f"  {cursor.statusmessage}"))
            else:
                _rows(console, [column.name for column in cursor.description], cursor.fetchall())
    except psycopg.Error as error:
        refused = error
    if refused is not None:
        for name, text in (("", refused.diag.message_primary or str(refused)), ("detail  ", refused.diag.message_detail),
                           ("hint    ", refused.diag.message_hint)):  # fmt: skip
            if text:
                style = "yellow" if not name else "dim"
                console.print(Text(f"  {name or f'refused ({refused.sqlstate})  '}{text}", style=style))
    console.print(Text(f"  {scene.remark}", style="italic"))
    console.print()
    return (refused is not None) is expected_refusal


def _notice(console: Console, text: str) -> None:
    console.print(Text(f"  notice  {text}", style="yellow"))


@contextmanager
def _deciding(console: Console, stage: Stage, scene: demo_shop.Scene) -> Iterator[None]:
    """Has what is held released meanwhile, and tells how that went."""
    if not scene.held:
        yield
        return
    administrator = _token(stage, user=demo_shop.ADMINISTRATOR, groups=demo_shop.ADMINISTRATORS)
    with released(partial(_sluice, stage), _token(stage), administrator) as told:
        yield
    for who, said in told.lines:
        name = demo_shop.ANALYST if who == "its owner" else demo_shop.ADMINISTRATOR
        console.print(Text.assemble((f"  {name}  ", "bold"), f"sluice approvals approve {told.id}  ", (said, "dim")))


def _rows(console: Console, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    table = Table(*names, box=box.SIMPLE_HEAD if console.is_terminal else box.ASCII2, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))  # no markup in data
    console.print(table)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"


def _audit(console: Console, stage: Stage) -> bool:
    """What `sluice audit query` says of the same minutes."""
    asked = _sluice(stage, "audit", "query", "--database", "shop", "--json")
    records = [json.loads(line) for line in asked.stdout.splitlines()]
    outcomes = {record["intent"]: record for record in records if record["kind"] == "outcome"}
    intents = [record for record in records if record["kind"] == "intent"]
    console.print(
        Text("what the audit says", style="bold"), Text("  sluice audit query --database shop", style="dim")
    )
    table = []
    for intent in intents:
        outcome = outcomes.get(intent["id"], {})
        masked = {column["column"].rpartition(".")[2] for column in outcome.get("columns_masked") or ()}
        actor = intent["actor"] if isinstance(intent["actor"], str) else ", ".join(intent["actor"] or ())
        table.append((intent["user"], actor, intent["decision"], ", ".join(intent["rules"]), intent["statement"],
                      outcome.get("rows", ""), ", ".join(sorted(masked)), outcome.get("sqlstate") or ""))  # fmt: skip
    names = ["user", "agent", "decision", "rule", "statement (literals out)", "rows", "masked", "sqlstate"]
    _rows(console, names, [tuple(_short(cell) for cell in row) for row in table])
    return len(intents) >= len(demo_shop.SCENES)


def _verify(console: Console, stage: Stage) -> bool:
    verified = _sluice(stage, "audit", "verify")
    console.print(Text("is it whole?", style="bold"), Text("  sluice audit verify", style="dim"))
    for line in (verified.stdout + verified.stderr).splitlines():
        console.print(Text(f"  {line}", style="red" if verified.returncode else "green"))
    console.print()
    return verified.returncode == 0


def _say_how_to_connect(console: Console, stage: Stage) -> None:
    """The lines to copy: a client as the analyst, and the end of it all."""
    beside = Path(sys.executable).with_name("sluice")
    sluice = shlex.quote(str(beside) if beside.exists() else "sluice")
    psql = shutil.which("psql") or str(stage.server.programs / "psql")
    config = shlex.quote(str(stage.config))
    mint = f"{sluice} token mint --config {config} --user {demo_shop.ANALYST} --groups {demo_shop.GROUPS}"
    connect = f'{shlex.quote(psql)} "host=127.0.0.1 port={stage.port} dbname=shop user={demo_shop.ANALYST}"'
    serve = stage.serve.pid if stage.serve else 0
    folder = shlex.quote(str(stage.folder))
    console.print("It is still up. Connect as the analyst:")
    console.print(f"  PGPASSWORD=$({mint}) {connect}", soft_wrap=True)
    console.print("End it and remove its files:")
    console.print(
        f"  kill {serve} && sleep 1 && kill -INT {stage.server.pid} && sleep 1 && rm -r {folder}",
        soft_wrap=True,
    )
