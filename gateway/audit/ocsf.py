"""Records in the shape of the Open Cybersecurity Schema Framework, version 1.3.0, for SIEMs that speak it.

A statement is one Datastore Activity (6005), made of its outcome; its intent alone says nothing that the outcome does not
repeat, so intents are left out. Sessions and sign-ins are Authentication (3002); what happens to the gateway, its policy
and its approvals is Application Lifecycle (6002). What the schema has no place for stands in `unmapped`, as in
`gateway.audit.query.to_json`.
"""

from typing import Any, Final

from gateway.audit.query import Entry, to_json
from gateway.audit.records import SessionInfo

VERSION: Final = "1.3.0"
_CLASSES: Final = {
    6005: ("Datastore Activity", 6, "Application Activity"),
    3002: ("Authentication", 3, "Identity & Access Management"),
    6002: ("Application Lifecycle", 6, "Application Activity"),
}
_DATASTORE: Final = {
    0: "Unknown", 1: "Read", 2: "Update", 3: "Connect", 4: "Query", 5: "Write", 6: "Create", 7: "Delete", 99: "Other"
}  # fmt: skip
_OF_KIND: Final = {
    "SELECT": 4, "TABLE": 4, "VALUES": 4, "WITH": 4, "EXPLAIN": 4, "SHOW": 4, "FETCH": 1, "COPY": 5, "INSERT": 6, "MERGE": 5,
    "UPDATE": 2, "DELETE": 7, "TRUNCATE": 7,
}  # fmt: skip
_SESSIONS: Final = {"session opened": (1, "Logon"), "sign-in refused": (1, "Logon"), "session closed": (2, "Logoff")}
_LIFE: Final = {"gateway started": (3, "Start"), "gateway stopped": (4, "Stop")}
_SEVERITIES: Final = {1: "Informational", 2: "Low", 3: "Medium", 4: "High"}
_ACTIONS: Final = {"allow": (1, "Allowed"), "warn": (1, "Allowed"), "deny": (2, "Denied")}
_MAPPED: Final = frozenset(
    ("id", "time", "session", "user", "groups", "database", "statement", "fingerprint", "bytes", "client", "duration_us")
)


def to_ocsf(entry: Entry, product_version: str) -> dict[str, Any] | None:
    """The event of a record; None for an intent, whose outcome tells it. Times are milliseconds since the epoch."""
    if entry.kind == "intent":
        return None
    if entry.kind == "outcome":
        return _statement(entry, product_version)
    if entry.kind == "session":
        return _sign_in(entry, product_version)
    what = str(entry.data.get("what", ""))
    activity = _LIFE.get(what, (99, what or entry.kind))
    grave = what in ("audit failed", "audit recovered", "events dropped") or "state" in entry.data
    event = _event(entry, 6002, activity, 4 if grave else 1, product_version)
    return event | {"app": _product(product_version), "message": what, "unmapped": _rest(entry)}


def _statement(entry: Entry, product_version: str) -> dict[str, Any]:
    session, ruling, said = entry.session, entry.ruling, entry.outcome
    assert session is not None
    assert ruling is not None
    assert said is not None
    number = next((_OF_KIND[word] for kind in ruling.kinds if (word := kind.partition(" ")[0]) in _OF_KIND), 99)
    if "COPY TO" in ruling.kinds:
        number = 1
    name = _DATASTORE[number] if number != 99 else ", ".join(ruling.kinds) or "Other"
    severity = 3 if said.status in ("refused", "unresolved") else 2 if ruling.decision in ("warn", "hold") else 1
    event = _event(entry, 6005, (number, name), severity, product_version)
    status = {"ok": (1, "Success"), "unresolved": (0, "Unknown")}.get(said.status, (2, "Failure"))
    event |= {
        "status_id": status[0],
        "status": status[1],
        "status_detail": said.status,
        "status_code": said.sqlstate or "00000",
        "duration": said.duration_us // 1000,
        "actor": _actor(session),
        "src_endpoint": _source(session.address),
        "database": {"name": session.database or "-", "type": "Relational", "type_id": 1},
        "type_id": 3 if ruling.tables else 1,
        "type": "Table" if ruling.tables else "Database",
        "query_info": {"query_string": ruling.statement, "uid": ruling.fingerprint, "bytes": said.nbytes},
        "unmapped": _rest(entry),
    }
    if ruling.tables:
        event["table"] = {"name": ruling.tables[0]}
    action = _ACTIONS.get(ruling.decision)
    if action is not None:
        event |= {"action_id": action[0], "action": action[1]}
        event["metadata"]["profiles"] = ["security_control"]
    return event


def _sign_in(entry: Entry, product_version: str) -> dict[str, Any]:
    what = str(entry.data.get("what", ""))
    refused = "refused" in what
    event = _event(entry, 3002, _SESSIONS.get(what, (99, what or "Other")), 3 if refused else 1, product_version)
    session = entry.session or SessionInfo("", "")
    event |= {
        "status_id": 2 if refused else 1,
        "status": "Failure" if refused else "Success",
        "user": _user(session),
        "session": {"uid": session.session, "issuer": session.issuer},
        "service": {"name": "sluice"},
        "src_endpoint": _source(session.address),
        "is_remote": True,
        "message": what,
        "unmapped": _rest(entry),
    }
    if entry.data.get("why"):
        event["status_detail"] = str(entry.data["why"])
    return event


def _event(entry: Entry, of: int, activity: tuple[int, str], severity: int, product_version: str) -> dict[str, Any]:
    name, category, category_name = _CLASSES[of]
    return {
        "class_uid": of,
        "class_name": name,
        "category_uid": category,
        "category_name": category_name,
        "activity_id": activity[0],
        "activity_name": activity[1],
        "type_uid": of * 100 + activity[0],
        "type_name": f"{name}: {activity[1]}",
        "time": entry.time_ns // 1_000_000,
        "severity_id": severity,
        "severity": _SEVERITIES[severity],
        "metadata": {
            "version": VERSION,
            "product": _product(product_version),
            "uid": entry.id,
            "log_name": "audit",
            "sequence": entry.seq,
        },
    }


def _product(version: str) -> dict[str, str]:
    return {"name": "Sluice", "vendor_name": "Sluice", "version": version}


def _user(session: SessionInfo) -> dict[str, Any]:
    return {"name": session.user, "type_id": 1, "type": "User", "groups": [{"name": each} for each in session.groups]}


def _actor(session: SessionInfo) -> dict[str, Any]:
    actor: dict[str, Any] = {"user": _user(session), "session": {"uid": session.session, "issuer": session.issuer}}
    if session.application:
        actor["app_name"] = session.application
    if session.actors:
        actor["invoked_by"] = " > ".join(session.actors)
    return actor


def _source(address: str) -> dict[str, Any]:
    """`host:port`, `[v6]:port`, or whatever was said."""
    host, colon, port = address.rpartition(":")
    if colon and port.isascii() and port.isdigit() and len(port) <= 5:
        return {"ip": host.strip("[]"), "port": int(port)}
    return {"name": address or "unknown"}


def _rest(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in to_json(entry).items() if name not in _MAPPED}
