"""Records as syslog messages (RFC 5424): what is searched for as structured data, and the whole record as JSON behind it."""

from typing import Final

import msgspec

from gateway.audit.query import Entry, timestamp, to_json

EXAMPLE_ENTERPRISE: Final = 32473  # for documentation and examples (RFC 5612): whoever has a number of their own uses that
UDP_BYTES: Final = 8192  # of one datagram; longer messages leave out the JSON
_FACILITY: Final = 13  # log audit
_VALUE_MAX: Final = 255  # characters of one parameter's value
_WARNED: Final = ("deny", "hold", "warn")
_encode = msgspec.json.encode


def message(entry: Entry, enterprise: int = EXAMPLE_ENTERPRISE, limit: int = 0) -> bytes:
    """One message without framing. With a `limit` in bytes what would be longer ends before the JSON, and says so."""
    host, _, worker = entry.label.rpartition("-")
    priority = _FACILITY * 8 + severity(entry)
    header = f"<{priority}>1 {timestamp(entry.time_ns)} {_name(host, 255)} sluice {_name(worker, 128)}"
    parameters = "".join(f' {name}="{_escape(value)}"' for name, value in _parameters(entry) if value)
    start = f"{header} {entry.kind} [sluice@{enterprise}{parameters}"
    whole = f"{start}] ".encode("utf-8", "replace") + b"\xef\xbb\xbf" + _encode(to_json(entry))
    if limit and len(whole) > limit:
        return f'{start} cut="true"]'.encode("utf-8", "replace")
    return whole


def counted(one: bytes) -> bytes:
    """A message for a stream: octet counting (RFC 6587 3.4.1, and RFC 5425 over TLS)."""
    return b"%d %b" % (len(one), one)


def severity(entry: Entry) -> int:
    """3 error: the audit's own trouble, or nobody knows; 4 warning: refused, held; 5 notice: policy, system; else 6."""
    what = str(entry.data.get("what", ""))
    if what in ("audit failed", "events dropped") or (entry.outcome is not None and entry.outcome.status == "unresolved"):
        return 3
    if "refused" in what or (entry.ruling is not None and entry.ruling.decision in _WARNED):
        return 4
    return 5 if entry.kind in ("policy", "system", "approval") else 6


def _parameters(entry: Entry) -> list[tuple[str, str]]:
    found = [("id", entry.id)]
    if entry.session is not None:
        who = entry.session
        found += [("session", who.session), ("user", who.user), ("actor", ">".join(who.actors)), ("client", who.address)]
        found += [("database", who.database), ("environment", who.environment), ("role", who.role)]
    if entry.ruling is not None:
        what = entry.ruling
        found += [("decision", what.decision), ("rule", ", ".join(what.rules)), ("fingerprint", what.fingerprint)]
    if entry.outcome is not None:
        said = entry.outcome
        found += [("intent", entry.intent), ("status", said.status), ("sqlstate", said.sqlstate), ("rows", str(said.rows))]
    return [*found, ("what", str(entry.data.get("what", "")))]


def _escape(value: str) -> str:
    """A parameter's value: quote, backslash and bracket escaped (RFC 5424 6.3.3); control characters become spaces."""
    value = value[:_VALUE_MAX].replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
    return value if value.isprintable() else "".join(each if each.isprintable() else " " for each in value)


def _name(text: str, most: int) -> str:
    """Printable ASCII without spaces, as header fields are; "-" where nothing is left."""
    return "".join(each if "!" <= each <= "~" else "_" for each in text[:most]) or "-"
