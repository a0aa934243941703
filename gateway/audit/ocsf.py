"""Records in the shape of the Open Cybersecurity Schema Framework (OCSF 1.7, schema.ocsf.io), for SIEMs.

Statements are Datastore Activity (6005), sign-ins and their ends Authentication (3002), everything else Application
Lifecycle (6002). What OCSF has no place for stands under `unmapped` by Sluice's own names.
"""

from typing import Any, Final

from gateway.audit.effects import effect
from gateway.audit.query import Entry, to_json

VERSION: Final = "1.7.0"
_DATASTORE, _AUTHENTICATION, _LIFECYCLE = 6005, 3002, 6002
_CATEGORIES: Final = {_DATASTORE: (6, "Application Activity"), _AUTHENTICATION: (3, "Identity & Access Management")}
_CLASSES: Final = {
    _DATASTORE: "Datastore Activity",
    _AUTHENTICATION: "Authentication",
    _LIFECYCLE: "Application Lifecycle",
}
_ACTIVITIES: Final = {
    _DATASTORE: {1: "Read", 2: "Update", 4: "Query", 5: "Write", 6: "Create", 7: "Delete", 99: "Other"},
    _AUTHENTICATION: {1: "Logon", 2: "Logoff", 99: "Other"},
    _LIFECYCLE: {3: "Start", 4: "Stop", 99: "Other"},
}
_FIRST_WORDS: Final = {
    "SELECT": 4,
    "COPY TO": 1,
    "FETCH": 1,
    "UPDATE": 2,
    "MERGE": 2,
    "INSERT": 5,
    "COPY FROM": 5,
    "DELETE": 7,
}
_BY_EFFECT: Final = {"read": 4, "write": 2}
_SEVERITIES: Final = {1: "Informational", 2: "Low", 3: "Medium", 4: "High"}
_SEVERITY_OF: Final = {"allow": 1, "warn": 2, "hold": 3, "deny": 3}
_STATUSES: Final = {0: "Unknown", 1: "Success", 2: "Failure"}
_PROTOCOLS: Final = {  # auth_protocol_id by the door
    "token": (6, "OAUTH 2.0"),
    "oauthbearer": (6, "OAUTH 2.0"),
    "certificate": (99, "TLS client certificate"),
    "scram": (99, "SCRAM-SHA-256"),
}
_MAPPED: Final = frozenset(
    ("time", "user", "groups", "issuer", "client", "statement", "tables", "database", "session", "sqlstate")
)


def to_ocsf(entry: Entry) -> dict[str, Any]:
    """One record as an OCSF event; `time` in milliseconds since the epoch, `metadata.uid` the record's id."""
    record = to_json(entry)
    class_uid = _class(entry)
    activity = _activity(entry, class_uid)
    status = _status(entry, record)
    severity = _severity(entry, status)
    category = _CATEGORIES.get(class_uid, _CATEGORIES[_DATASTORE])
    event: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": _ACTIVITIES[class_uid][activity],
        "category_uid": category[0],
        "category_name": category[1],
        "class_uid": class_uid,
        "class_name": _CLASSES[class_uid],
        "type_uid": class_uid * 100 + activity,
        "time": entry.time_ns // 1_000_000,
        "severity_id": severity,
        "severity": _SEVERITIES[severity],
        "status_id": status,
        "status": _STATUSES[status],
        "metadata": {
            "version": VERSION,
            "uid": entry.id,
            "log_name": entry.kind,
            "product": {"name": "Sluice", "vendor_name": "Sluice"},
        },
    }
    if class_uid == _LIFECYCLE:
        event["app"] = {"name": "Sluice", "vendor_name": "Sluice"}
    if entry.session is not None:
        event |= _who(record, class_uid)
    if entry.ruling is not None:
        event |= _what(record)
    if record.get("sqlstate"):
        event["status_code"] = record["sqlstate"]
    rest = {name: value for name, value in record.items() if name not in _MAPPED}
    event["unmapped"] = {name: value for name, value in rest.items() if value not in (None, "", [], {})}
    return event


def _class(entry: Entry) -> int:
    if entry.ruling is not None:
        return _DATASTORE
    return _AUTHENTICATION if entry.kind == "session" and entry.session is not None else _LIFECYCLE


def _activity(entry: Entry, class_uid: int) -> int:
    if entry.ruling is not None:
        kinds = entry.ruling.kinds
        first = " ".join(kinds[0].split(" ")[:2]) if kinds else ""
        known = _FIRST_WORDS.get(first) or _FIRST_WORDS.get(first.split(" ")[0])
        if known is None and first.startswith("CREATE"):
            known = 6
        if known is None and first.startswith(("DROP", "TRUNCATE")):
            known = 7
        return known or _BY_EFFECT.get(effect(kinds), 99)
    what = str(entry.data.get("what", ""))
    if class_uid == _AUTHENTICATION:
        return 1 if "opened" in what or "sign-in" in what else 2 if "closed" in what else 99
    return 3 if "started" in what else 4 if "stopped" in what else 99


def _status(entry: Entry, record: dict[str, Any]) -> int:
    if entry.outcome is not None:
        return 1 if entry.outcome.status == "ok" else 0 if entry.outcome.status == "unresolved" else 2
    if entry.ruling is not None:
        return 2 if entry.ruling.decision == "deny" else 1
    return 2 if entry.data.get("sqlstate") or "refused" in str(entry.data.get("what", "")) else 1


def _severity(entry: Entry, status: int) -> int:
    if entry.ruling is not None:
        return _SEVERITY_OF.get(entry.ruling.decision, 1)
    if entry.kind == "system" and "alarm" in str(entry.data.get("what", "")):
        return 4
    return 3 if status == 2 else 1


def _who(record: dict[str, Any], class_uid: int) -> dict[str, Any]:
    user = {
        "name": record["user"],
        "type_id": 1,
        "groups": [{"name": each} for each in record["groups"]],
        "domain": record["issuer"],
    }
    address, _, port = record["client"]["address"].rpartition(":")
    endpoint: dict[str, Any] = {"ip": address.strip("[]") or record["client"]["address"]}
    if port.isdigit():
        endpoint["port"] = int(port)
    session = {"uid": record["session"], "issuer": record["issuer"]}
    out: dict[str, Any] = {
        "actor": {"user": user, "session": session, "app_name": record["client"]["application"]},
        "src_endpoint": endpoint,
    }
    if class_uid == _AUTHENTICATION:
        out |= {"user": user, "session": session, "is_remote": True, "service": {"name": record["database"]}}
        if record["method"] in _PROTOCOLS:
            out["auth_protocol_id"], out["auth_protocol"] = _PROTOCOLS[record["method"]]
    return out


def _what(record: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "database": {"name": record["database"], "type_id": 1, "type": "Relational"},
        "type_id": 1,
        "type": "Database",
        "query_info": {"query_string": record["statement"], "uid": record["fingerprint"]},
        "policy": {"uid": record["policy"]["hash"], "version": str(record["policy"]["generation"])},
        "action": record["decision"],
    }
    if record["tables"]:
        out["table"] = {"name": record["tables"][0]}
    if "duration_us" in record:
        out["duration"] = record["duration_us"] // 1000
    return out
