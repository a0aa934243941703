"""Proofs out of a real gateway's trail: through the loss of a worker, a new key, the gateway's end and compression."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from gateway.audit import receipt
from tests.live.rig import Gateway, wait_for
from workers import status
from workers.audit_receipts import Prover, public_key
from workers.notary_log import verify


def signed_by(gateway: Gateway) -> str:
    said: dict[str, Any] = status.ask(gateway.folder / "var" / "run")["audit"]
    return str(said["key"]) if said["notary"] == "signing" and said["signed_age_seconds"] is not None else ""


def outcomes(gateway: Gateway, with_status: str) -> list[dict[str, Any]]:
    return [each for each in gateway.audit() if each.get("status") == with_status]


def test_every_kind_of_record_is_proven_by_either_key(make_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    gateway = make_gateway(workers=1)
    directory, pub = gateway.folder / "var" / "audit", gateway.folder / "audit.pub"
    first = wait_for("the first signature", lambda: signed_by(gateway))
    keys = [public_key(pub)]
    early = Prover(directory).newest()
    with contextlib.closing(psycopg.connect(gateway.dsn("dev"), autocommit=True)) as client:
        client.execute("select %s::int", (1,))
        client.pgconn.send_query(b"select pg_sleep(60)")
        wait_for("its intent", lambda: "pg_sleep" in str(gateway.audit()[-1].get("statement")))
        os.kill(gateway.workers()[0], signal.SIGKILL)
    wait_for("what became of it", lambda: outcomes(gateway, "unresolved"))
    assert gateway.sluice("audit", "rotate-key").returncode == 0
    wait_for("the new key", lambda: signed_by(gateway) != first)
    keys.append(public_key(pub))
    assert gateway.stop() == 0
    (unresolved,) = outcomes(gateway, "unresolved")
    (started,) = [each for each in gateway.audit() if each.get("event", {}).get("what") == "gateway started"]
    chosen = [outcomes(gateway, "ok")[0], unresolved, started]
    assert len({each["id"].rpartition("-")[0] for each in chosen}) == 3  # of a worker, of recovery, of the gateway itself
    for _ in range(2):
        for record in chosen:
            made = receipt.read(receipt.encode(Prover(directory).record(record["id"])))
            for key in keys:
                proven = receipt.check(made, verify, key)
                assert proven.by == "seal"
                assert proven.record == record
        assert gateway.sluice("audit", "compress").returncode == 0
    extension = receipt.check(Prover(directory).extension(early), verify, keys[0])
    assert extension.older == early
    assert extension.tree_head.key == keys[1].hex()
    file = tmp_path / "proof.json"
    assert gateway.sluice("audit", "receipt", unresolved["id"], "--out", str(file)).returncode == 0
    told = gateway.sluice("audit", "check-receipt", str(file), "--pub", str(pub))
    assert told.returncode == 0, told.stderr
    assert "unresolved" in told.stdout
    file.write_bytes(receipt.encode(early))
    whole = gateway.sluice("audit", "verify", "--head", str(file), "--pub", str(pub))
    assert whole.returncode == 0, whole.stdout
