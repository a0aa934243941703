"""What a report knows beside the records: whether the trail is whole, what signed it, and which grants the policy holds."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.heads import Alarm, Checkpoint, Pruned, Seal
from gateway.audit.heads_check import Signed
from gateway.audit.summary import Evidence
from gateway.errors import ConfigError
from workers import audit_trail, configuration
from workers.audit_receipts import read_log
from workers.notary_log import log_files

_GRADES = ("good", "gap", "unreadable", "tampered")  # the worst last


@dataclass(frozen=True, slots=True)
class Trusted:
    """Whose signatures the reader believes: those of `pub`, else of the key beside the configuration, unless directories
    were named instead of it.
    """

    config: str | None = None
    pub: str | None = None
    named: bool = False  # the directories were named, so the configuration is not theirs


def gather(directories: Sequence[Path], trusted: Trusted, verified: bool) -> Evidence:
    """Everything of the directories. Raises OSError where one cannot be read."""
    evidence = Evidence()
    for directory in directories:
        _begins(evidence, directory)
        _heads(evidence, directory)
        if verified:
            _verify(evidence, directory, trusted)
    evidence.granted = granted(trusted.config)
    return evidence


def granted(config: str | None) -> list[str] | None:
    """The names of the policy's grants; None where no configuration is at hand, or it cannot be read."""
    try:
        file = configuration.find(config, os.environ)
        policies = configuration.read_policies(file, configuration.load_policy_settings(file, os.environ))
    except ConfigError:
        return None
    return [grant.name for policy in policies for grant in policy.grants]


def _begins(evidence: Evidence, directory: Path) -> None:
    for chain in audit_trail.chains(directory):
        first = chain.first()
        if first is not None and not chain.is_void():
            evidence.begins_ns = min(evidence.begins_ns or first.time_ns, first.time_ns)


def _heads(evidence: Evidence, directory: Path) -> None:
    if not log_files(directory):
        return  # nothing was ever signed

    def seen(signed: Signed) -> None:
        match signed.entry:
            case Checkpoint():
                evidence.checkpoints += 1
            case Seal():
                evidence.seals += 1
            case Pruned():
                evidence.pruned += 1
            case Alarm() as alarm:
                place = f"chain-{alarm.chain.hex()} segment {alarm.segment} byte {alarm.offset}"
                evidence.alarms.append(f"alarm: {place}: {alarm.why}")

    check = read_log(directory, None, seen)
    evidence.head_problems += [
        f"{each.grade}: log of heads {each.file:08d} byte {each.offset}: {each.why}"
        for each in check.problems
        if each.grade in ("tampered", "unreadable")
    ]
    evidence.keys += [each.public.hex() for _, each in check.keys]
    if check.tree_head is not None:
        evidence.tree_size += check.tree_head.size
        newest = check.tree_head.time_ns
        evidence.signed_ns = min(evidence.signed_ns, newest) if evidence.signed_ns else newest


def _verify(evidence: Evidence, directory: Path, trusted: Trusted) -> None:
    """As an operator would: what `sluice audit verify` says in another process."""
    where = ["--dir", str(directory)] if trusted.named or trusted.pub else []
    if not where and trusted.config is not None:
        where = ["--config", trusted.config]
    key = ["--pub", trusted.pub] if trusted.pub else []
    command = [sys.executable, "-m", "workers.cli", "audit", *where, "verify", "--json", *key]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)  # noqa: S603 - our own verb
    try:
        said = json.loads(done.stdout)
        result, chains, records, findings = (said[each] for each in ("result", "chains", "records", "findings"))
        compared = [bool(each.get("compared")) for each in said["signed"]]
    except (ValueError, KeyError, TypeError):
        why = done.stderr.decode(errors="replace").strip()[:500] or "it said nothing"
        result, chains, records, compared = "unreadable", 0, 0, [False]
        findings = [{"grade": "unreadable", "file": str(directory), "why": f"verify: {why}"}]
    evidence.compared = all(compared) and evidence.compared is not False
    evidence.chains += chains
    evidence.verified += records
    evidence.findings += [each for each in findings if each.get("grade") != "note"]
    if evidence.result == "" or _GRADES.index(result) > _GRADES.index(evidence.result):
        evidence.result = result
