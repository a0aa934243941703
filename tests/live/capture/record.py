"""Writes tests/corpus/harmless/recorded_*.toml: what real clients send, read from the log of a server they worked on.

    python -m tests.live.capture.record NAME…      (a folder's worth of NAMEs is CLIENTS below)

The clients' own packages are no part of the project. Where they are is told by the environment:
CAPTURE_PYTHON   a python that has sqlalchemy, alembic, django, peewee, pandas, psycopg, psycopg2, asyncpg and pg8000
CAPTURE_JDBC     PostgreSQL's JDBC driver, a jar
CAPTURE_NODE     a folder whose node_modules has pg, knex, sequelize and typeorm
CAPTURE_GO       a folder whose go.mod has pgx, lib/pq, gorm and its postgres driver

A client gives each of its sessions the name "GROUP DATABASE REASON" (application_name), which becomes an entry: who sends
it, where, and why. Numbers of things that the corpus database has are written as {oid of NAME}.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.live.corpus import CORPUS, DATABASE, oids
from tests.live.mutation import meaning
from tests.live.rig import DEBIAN_15, SLUICE_PASSWORD, Postgres, start_postgres
from workers.embedded import clean_environment

LONG = 120  # characters of a query that is worth keeping once only
HERE = Path(__file__).parent
PYTHON = os.environ.get("CAPTURE_PYTHON", sys.executable)
NAMED = re.compile(r"(\w+) (\w+) (.+)", re.DOTALL)
STARTED = re.compile(r"(statement|execute [^:]*): (.*)", re.DOTALL)
VALUE = re.compile(r"\$\d+ = (NULL|'((?:[^']|'')*)')")
READS_ROWS = ("django",)  # clients that look at the rows of every table
MASKED = ["name", "email", "ssn", "phone", "birth_date", "salary", "who", "mail"]

DESCRIBES = r"""\d \d+ \dt \dt+ \df+ \du+ \l \l+ \dn+ \dx+ \dp \dT+ \di+ \ds+ \dv+ \dm+ \db+ \dc+ \dC+ \dD+ \ddp \dE \des+
\det \deu \dew \dF+ \dFd \dFp \dFt \dg \dL+ \do+ \dO+ \drds \dRp+ \dRs+ \dy+ \dP+ \dPi \dPt \dAc \dAf \dAo \dAp \dX \z
\dconfig \drg \dl \da+ \dti+ \dtvms public.*""".replace("\n", " ")
TABLES = ("customers", "orders", "items", "stock", "notes", "years", "year_one")
NAMES = [
    *(rf"\d{plus} {name}" for name in TABLES for plus in ("", "+")),
    *(rf"\d+ {name}" for name in ("contacts", "sold", "tickets", "orders_by_customer", "shadow.cities", "pair", '"delete"')),
    r"\sf cancel_all", r"\sf+ add_one", r"\sv contacts", r"\df *add*", r"\dt public.o*", r"\dT mood", r"\dC integer",
    r"\do ===", r"\dn shadow", r"\dp orders", r"\ev contacts", r"\d nothing_of_that_name", r"\d pg_class", r"\encoding UTF8",
]  # fmt: skip


def commands(server: Postgres, name: str) -> Iterator[tuple[str, list[str]]]:
    """(name of the sessions, command line) of what a client is made to do; "" where it names its sessions itself."""
    psql = [server.program("psql"), "-X", "-q"]
    dump = server.program("pg_dump")
    if name == "psql":
        for command in (*re.split(r" (?=\\)", DESCRIBES), *NAMES):
            yield f"reader prod psql {server.name}: {command}", [*psql, "-c", command]
    elif name == "pg_dump":
        where = "/dev/null"
        yield f"reader prod pg_dump {server.name}: definitions", [dump, "-s", "-f", where]
        yield f"reader prod pg_dump {server.name}: one table", [dump, "-t", "orders", "-f", where]
        yield f"reader prod pg_dump {server.name}: as INSERT", [dump, "-t", "stock", "--inserts", "-f", where]
        globals_only = [server.program("pg_dumpall"), "-g", "--no-role-passwords", "-l", "corpus"]
        yield f"reader prod pg_dumpall {server.name}: roles, no passwords", globals_only
    elif name == "jdbc":
        yield "", ["java", "-cp", os.environ["CAPTURE_JDBC"], str(HERE / "Describe.java")]
    elif name == "node":
        yield "", ["node", str(HERE / "with_node.js")]
    elif name == "go":
        yield "", ["go", "run", str(HERE / "with_go.go")]
    else:
        yield "", [PYTHON, str(HERE / f"with_{name}.py")]


CLIENTS = (
    "psql",
    "pg_dump",
    "sqlalchemy",
    "django",
    "drivers",
    "peewee",
    "pandas",
    "jdbc",
    "node",
    "go",
    "migrations",
)


def run(server: Postgres, title: str, command: list[str]) -> None:
    environment = clean_environment() | {
        "PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "sluice_plain", "PGPASSWORD": SLUICE_PASSWORD,
        "PGDATABASE": "corpus", "EDITOR": "true", "NODE_PATH": os.environ.get("CAPTURE_NODE", "") + "/node_modules",
    }  # fmt: skip
    if title:
        environment["PGAPPNAME"] = title[:63]
    folder = os.environ["CAPTURE_GO"] if command[0] == "go" else None
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{title or command}: {done.returncode}: {done.stderr[-2000:]}", file=sys.stderr)


def sessions(log: list[dict[str, Any]]) -> dict[str, list[tuple[str, list[str | None]]]]:
    """Texts with their parameters, by the names of the sessions."""
    names: dict[int, str] = {}
    found: dict[int, list[tuple[str, list[str | None]]]] = {}
    for line in log:
        if line.get("dbname") != "corpus" or line.get("user") != "sluice_plain":
            continue
        names[line["pid"]] = line.get("application_name") or names.get(line["pid"], "")
        started = STARTED.match(line.get("message", ""))
        if started:
            values = VALUE.findall(line.get("detail", ""))
            params = [None if whole == "NULL" else text.replace("''", "'") for whole, text in values]
            found.setdefault(line["pid"], []).append((started[2], params))
    return {f"{names[pid]}\n{pid}": steps for pid, steps in found.items()}


def entry(title: str, steps: list[tuple[str, list[str | None]]], numbers: dict[str, str]) -> str:
    named = NAMED.fullmatch(title)
    assert named, title
    group, database, reason = named.groups()
    texts = ",\n".join(quoted(numbered(text, numbers)) for text, _ in steps)
    who = f"as = {quoted(group)}\ndatabase = {quoted(database)}"
    if r"\dconfig" in reason:  # a session that may only read has settings of its own
        who += '\ncompare = "shape"'
    text = f"[[entry]]\nreason = {quoted(reason)}\n{who}\nsql = [\n{texts},\n]\n"
    if any(params for _, params in steps):
        cells = [[False if one is None else numbered(one, numbers) for one in params] for _, params in steps]
        text += f'params = {json.dumps(cells)}\nsent = "extended"\n'
    else:
        text += 'sent = "simple"\n'
    return text


def numbered(text: str, numbers: dict[str, str]) -> str:
    return re.sub(r"\b\d{5,6}\b", lambda found: numbers.get(found[0], found[0]), text)


def quoted(text: str) -> str:
    if "\n" in text or '"' in text or "\\" in text:
        if (
            "'''" not in text
            and not text.endswith("'")
            and text.isprintable() | ("\n" in text)
            and "\r" not in text
        ):
            return f"'''\n{text}'''"
        return json.dumps(text, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False)


def record(server: Postgres, name: str, known: set[str]) -> list[str]:
    """The entries of one client against one server. Long queries of a shape that `known` has from before are left out."""
    with server.connect("corpus") as connection:
        numbers = {number: "{" + words + "}" for words, number in oids(connection).items()}
    before = len(server.logged())
    for title, command in commands(server, name):
        run(server, title, command)
    made = []
    for title, steps in sessions(server.logged()[before:]).items():
        if not NAMED.fullmatch(title.partition("\n")[0]):
            continue
        new = []
        for text, params in steps:
            if "trap" in text:  # what inspectors do to this view is no harm of theirs
                continue
            shape = meaning(text) or text
            if len(text) < LONG or not query(text) or shape not in known:
                new.append((text, params))
                known.add(shape)
        if any(len(text) >= LONG for text, _ in new) or name not in ("psql", "pg_dump"):
            made.append(entry(title.partition("\n")[0], new, numbers))
    return made


def query(text: str) -> bool:
    """Whether nothing that comes later can need it."""
    return text.lstrip().upper().startswith(("SELECT", "WITH", "/*"))


def main(names: list[str]) -> None:
    known: set[str] = set()
    for version in ("18", *(("15",) if DEBIAN_15.is_dir() else ())):
        server = start_postgres(version)
        try:
            with server.connect(autocommit=True) as admin:
                admin.execute("ALTER ROLE sluice_plain SUPERUSER")
                admin.execute("CREATE DATABASE corpus")
            with server.connect("corpus", autocommit=True) as maker:
                maker.execute(DATABASE.read_text())
            for name in names or CLIENTS:
                if version != "18" and name not in ("psql", "pg_dump"):
                    continue
                made = record(server, name, known)
                about = f"What {name} sends, recorded from the real client."
                masked = f"[default]\nmasked = {json.dumps(MASKED)}\n" if name in READS_ROWS else ""
                file = CORPUS / "harmless" / f"recorded_{name}{'' if version == '18' else '_' + version}.toml"
                file.write_text("\n".join([f"about = {quoted(about)}\n", masked, *made]))
                print(f"{file.name}: {len(made)} entries")
        finally:
            server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
