"""`sluice demo`: the whole product against an embedded PostgreSQL, told as a story, leaving nothing behind."""

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
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers import demo_shop
from workers.demo_audit import Teller, answers, trail, verified
from workers.demo_release import Released, released
from workers.demo_slack import LocalSlack
from workers.embedded import EmbeddedError, EmbeddedServer, clean_environment, free_port, wheel_programs

READY_SECONDS = 30.0
PIPE_COLUMNS = 132  # where no terminal says how wide it is
ROWS_SHOWN = 4
ROLE = "sluice"
CONNECTIONS_MAX = 300  # `make load` lets a crowd in


@dataclass(slots=True)
class Stage:
    """What runs: the server, a Slack, the gateway's folder and process; where clients connect, and the gateway is called."""

    folder: Path
    server: EmbeddedServer
    slack: LocalSlack
    port: int
    admin: int
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
            teller = Teller(console, lambda *arguments: _sluice(stage, *arguments))
            wonders += [trail(teller), answers(teller), verified(teller)]
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
    members = {member: f"{who.user}@shop.example" for member, who in demo_shop.MEMBERS.items()}
    slack = stack.enter_context(LocalSlack(members).running())
    stage = Stage(folder, server, slack, free_port(), free_port())
    with _step(
        console, "Sluice before it: a signing key, grants, a guardrail and who releases what it holds, Slack, two workers"
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
    _secret(stage, "shop.password", stage.server.password)
    text = stage.config.read_text()
    text = text.replace("127.0.0.1:6432", f"127.0.0.1:{stage.port}", 1)
    text = text.replace("127.0.0.1:6480", f"127.0.0.1:{stage.admin}", 1)
    text = text.replace("[gateway]\n", "[gateway]\nworkers = 2\n", 1)
    text = text[: text.index("[[database]]")] + (
        '[[database]]\nname = "shop"\nenvironment = "production"\nhost = "127.0.0.1"\n'
        f'port = {stage.server.port}\ndbname = "shop"\nuser = "{ROLE}"\n'
        'password_file = "shop.password"\nsslmode = "disable"\n'
    )
    stage.config.write_text(text + _slack(stage))
    policy = demo_shop.POLICY.replace("wait_seconds = 60", f'channels = ["slack:{demo_shop.PLACE}"]\nwait_seconds = 60', 1)
    stage.config.with_name("policy.toml").write_text(policy)


def _slack(stage: Stage) -> str:
    """The channel's part of sluice.toml; its secrets, and whose address belongs to whom, are files beside it."""
    _secret(stage, "slack.token", stage.slack.token)
    _secret(stage, "slack.signing", stage.slack.signing_secret)
    people = "".join(
        f'[[person]]\nemail = "{who.user}@shop.example"\nuser = "{who.user}"\nissuer = "local"\ngroups = ["{who.groups}"]\n'
        for who in demo_shop.MEMBERS.values()
    )
    stage.config.with_name("people.toml").write_text(people)
    return (
        f'\n[[channel]]\nname = "slack"\nkind = "slack"\napi_url = "{stage.slack.url}"\n'
        'token_file = "slack.token"\nsigning_secret_file = "slack.signing"\npeople_file = "people.toml"\n'
    )


def _secret(stage: Stage, name: str, content: str) -> None:
    file = stage.config.with_name(name)
    file.touch(mode=0o600)
    file.write_text(content)


def _sluice(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "workers.cli", *arguments],
        env=clean_environment() | {"SLUICE_CONFIG": str(stage.config)},
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


def _token(stage: Stage, visitor: demo_shop.Visitor) -> str:
    more = [part for actor in visitor.actors for part in ("--actor", actor)]
    more += ["--run", visitor.run] if visitor.run else []
    minted = _sluice(stage, "token", "mint", "--user", visitor.user, "--groups", visitor.groups, *more)
    if minted.returncode:
        raise EmbeddedError(f"sluice token mint failed: {minted.stderr.strip()}")
    return minted.stdout.strip()


def _play(console: Console, stage: Stage, scene: demo_shop.Scene) -> bool:
    """Sends the scene's statement as its visitor and prints what came back."""
    psycopg = _psycopg()
    visitor = scene.visitor
    style = "bold magenta" if visitor.actors else "bold blue"
    console.print(Text.assemble((visitor.words, style), f"  {scene.title}"))
    console.print(Text(f"  {scene.statement}", style="dim"))
    dsn = f"host=127.0.0.1 port={stage.port} dbname=shop user={visitor.user}"
    refused = None
    try:
        with psycopg.connect(dsn, password=_token(stage, visitor), autocommit=True) as connection:
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
    return (refused is not None) is (scene.outcome == "refused")


def _notice(console: Console, text: str) -> None:
    console.print(Text(f"  notice  {text}", style="yellow"))


@contextmanager
def _deciding(console: Console, stage: Stage, scene: demo_shop.Scene) -> Iterator[None]:
    """Has what is held released in Slack meanwhile, and tells how that went."""
    if scene.outcome != "held":
        yield
        return
    told = Released()
    try:
        with released(stage.slack, f"http://127.0.0.1:{stage.admin}/slack/slack") as told:
            yield
    finally:
        _tell_release(console, told)


def _tell_release(console: Console, told: Released) -> None:
    console.print(Text(f"  in Slack, {demo_shop.PLACE}", style="bold"))
    for line in told.message:
        console.print(Text(f"    {line}", style="dim"))
    for member, said in told.lines:
        console.print(Text.assemble((f"  {demo_shop.MEMBERS[member].user}  ", "bold"), "presses Approve  ", (said, "dim")))


def _rows(console: Console, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    table = Table(*names, box=box.SIMPLE_HEAD if console.is_terminal else box.ASCII2, pad_edge=False)
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))  # no markup in data
    console.print(table)
    if len(rows) > ROWS_SHOWN:
        console.print(Text(f"  {len(rows)} rows", style="dim"))


def _say_how_to_connect(console: Console, stage: Stage) -> None:
    """The lines to copy: a client as the analyst, and the end of it all."""
    beside = Path(sys.executable).with_name("sluice")
    sluice = shlex.quote(str(beside) if beside.exists() else "sluice")
    psql = shutil.which("psql") or str(stage.server.programs / "psql")
    config = shlex.quote(str(stage.config))
    mint = f"{sluice} token mint --config {config} --user {demo_shop.ANALYST.user} --groups {demo_shop.ANALYST.groups}"
    connect = f'{shlex.quote(psql)} "host=127.0.0.1 port={stage.port} dbname=shop user={demo_shop.ANALYST.user}"'
    serve = stage.serve.pid if stage.serve else 0
    folder = shlex.quote(str(stage.folder))
    console.print("It is still up. Connect as the analyst:")
    console.print(f"  PGPASSWORD=$({mint}) {connect}", soft_wrap=True)
    console.print("End it and remove its files:")
    console.print(
        f"  kill {serve} && sleep 1 && kill -INT {stage.server.pid} && sleep 1 && rm -r {folder}",
        soft_wrap=True,
    )
