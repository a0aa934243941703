"""`sluice classify` against a real database: labels by name, type, comment, key and content, with their evidence."""

import json
import random
from pathlib import Path
from typing import Any

import psycopg
import pytest

from workers.embedded import EmbeddedServer

from .cli_rig import folder, one_line, point_at, server, sluice

__all__ = ["folder", "server"]

SCHEMA = """
drop schema if exists crm cascade;
create schema crm;
create domain crm.email_address as text;
create table crm.contacts (
  id int primary key, c1 text, c2 text, c3 text, reach crm.email_address, seen inet, at point, remark text, payload jsonb,
  plan text, ref uuid, title text);
comment on column crm.contacts.title is 'Patient diagnosis as the doctor wrote it';
create table crm.people_keys (mail text primary key);
create table crm.visits (id int, who text references crm.people_keys (mail), status text);
create view crm.listed as select c1 as first, plan from crm.contacts;
create table crm."Odd ""Table" (c1 text, "c""2" text);
"""
GIVEN = ("Anna", "James", "Maria", "Robert", "Linda", "Karl", "Ewa", "Luis")
FAMILY = ("Smith", "Nowak", "Garcia", "Müller", "Rossi", "Jansen", "Lind", "Brown")


@pytest.fixture(scope="module")
def filled(server: EmbeddedServer) -> EmbeddedServer:
    chance = random.Random(11)
    rows = []
    for number in range(80):
        given, family = chance.choice(GIVEN), chance.choice(FAMILY)
        said = f"called about the order, wrote back to {given.lower()}@mail.example and closed it"
        note = said if number % 9 == 0 else "ok"
        values = (
            number, f"{given} {family}", f"user{number}@mail.example",
            f"{chance.randrange(100, 600)}-{number + 10}-{number + 1000}", note,
            json.dumps({"phone": f"+49 30 1234{number:04d}", "n": number}), chance.choice(("free", "paid")),
        )  # fmt: skip
        rows.append(values)
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        owner.execute(SCHEMA)
        with owner.cursor() as cursor:
            cursor.executemany(
                "insert into crm.contacts (id, c1, c2, c3, remark, payload, plan) values (%s, %s, %s, %s, %s, %s, %s)",
                rows,
            )
            cursor.executemany(
                """insert into crm."Odd ""Table" values (%s, %s)""", [(row[2], row[6]) for row in rows]
            )
    return server


def told(cwd: Path, *options: str) -> dict[str, dict[str, Any]]:
    done = sluice("classify", "prod", "--json", *options, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mail.example" not in done.stdout
    return {f"{one['table']}.{one['column']}": one for one in json.loads(done.stdout) if one["schema"] == "crm"}


def test_columns_are_labelled_by_all_that_speaks_for_it(folder: Path, filled: EmbeddedServer) -> None:
    point_at(folder, filled)
    found = told(folder, "--all")
    labels = {column: one["label"] for column, one in found.items()}
    assert labels == {
        "contacts.id": None, "contacts.c1": "name", "contacts.c2": "email", "contacts.c3": "ssn", "contacts.reach": "email",
        "contacts.seen": "ip", "contacts.at": "geo", "contacts.remark": "free_text", "contacts.payload": "free_text",
        "contacts.plan": None, "contacts.ref": None, "contacts.title": "health", "people_keys.mail": "email",
        "visits.id": None, "visits.who": "email", "visits.status": None, "listed.first": "name", "listed.plan": None,
        'Odd "Table.c1': "email", 'Odd "Table.c"2': None,
    }  # fmt: skip
    scanned = {column for column, one in found.items() if one["scan"]}
    assert scanned == {"contacts.remark", "contacts.payload", "visits.status"}
    assert found["contacts.c2"]["confidence"] > 0.9
    assert found["contacts.reach"]["evidence"] == ["domain email_address"]
    assert found["visits.who"]["evidence"] == ["refers to people_keys.mail"]
    assert found["contacts.payload"]["type"] == "jsonb"


def test_without_all_only_what_is_masked_or_scanned_is_shown_and_the_policy_has_the_last_word(
    folder: Path, filled: EmbeddedServer
) -> None:
    point_at(folder, filled)
    with (folder / "policy.toml").open("a") as policy:
        policy.write('\n[[classify]]\ncolumns = ["crm.contacts.c2", "crm.visits.status"]\nlabel = "none"\n')
    found = told(folder)
    assert "contacts.c2" not in found
    assert "visits.status" not in found
    assert "contacts.plan" not in found
    done = sluice("classify", "prod", cwd=folder)
    (line,) = [line for line in done.stdout.splitlines() if "crm.contacts.c3 " in line]
    assert "ssn" in line
    assert "national numbers (US)" in line


def test_an_unknown_database_is_wrong_usage(folder: Path) -> None:
    assert "nowhere" in one_line(sluice("classify", "nowhere", cwd=folder), 2)
