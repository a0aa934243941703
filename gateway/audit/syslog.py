"""Records as syslog messages of RFC 5424, framed for a stream by RFC 6587's octet counting.

The facility is 13 (log audit). The structured data's enterprise number is 32473, which RFC 5612 sets aside for
documentation, unless the caller has one of its own.
"""

from typing import Any, Final

import msgspec

from gateway.audit.query import Entry, to_json

DOCUMENTATION_ENTERPRISE: Final = 32473
_FACILITY: Final = 13
_SEVERITY: Final = {"allow": 6, "warn": 4, "hold": 4, "deny": 4}  # 6 informational, 4 warning
_ALERT: Final = 1
_NAMES: Final = (
    "id", "session", "user", "actor", "database", "environment", "role", "decision", "statement_kind", "fingerprint",
    "tables", "rows", "bytes", "status", "sqlstate", "duration_us", "intent",
)  # fmt: skip


def line(entry: Entry, host: str, enterprise: int = DOCUMENTATION_ENTERPRISE) -> bytes:
    """One message without framing: header, structured data, and the whole record as JSON in UTF-8."""
    record = to_json(entry)
    severity = _SEVERITY.get(entry.ruling.decision, 6) if entry.ruling else 6
    if entry.kind == "system" and "alarm" in str(entry.data.get("what", "")):
        severity = _ALERT
    head = f"<{_FACILITY * 8 + severity}>1 {record['time']} {_token(host, 255)} sluice - {_token(entry.kind, 32)} "
    parts = "".join(f' {name}="{_value(record[name])}"' for name in _NAMES if record.get(name) not in (None, "", []))
    body = msgspec.json.encode(record)
    return head.encode("ascii") + f"[sluice@{enterprise}{parts}] ".encode() + b"\xef\xbb\xbf" + body


def framed(message: bytes) -> bytes:
    """A message for a stream: its length in bytes, a space, itself (RFC 6587, section 3.4.1)."""
    return str(len(message)).encode() + b" " + message


def _token(text: str, limit: int) -> str:
    """PRINTUSASCII of at most `limit` characters; "-" where nothing is left."""
    return "".join(each for each in text if "!" <= each <= "~")[:limit] or "-"


def _value(value: Any) -> str:
    """A PARAM-VALUE: quotes, backslashes and brackets escaped (section 6.3.3), nothing that breaks a line."""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
