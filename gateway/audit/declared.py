"""What was declared of a statement, as it is put on record: the one text of people's own that is kept on purpose.

So it is looked through for what must not be kept: e-mail addresses, cards and the like are masked as in a cell of free text.
"""

from gateway.audit.records import Declared
from gateway.identity.declaration import Declaration
from gateway.masking.scanned import scan_text
from gateway.masking.scanner import scanner


def declared(said: Declaration, mismatch: tuple[str, ...] = ()) -> Declared:
    """The record. `mismatch`: see `gateway.policy.intents`."""
    return Declared(
        _clean(said.reason),
        tuple(_clean(one) for one in said.tables),
        said.effect,
        _clean(said.ticket),
        said.source,
        mismatch,
    )


def _clean(text: str) -> str:
    return scan_text(scanner(), text.encode("utf-8", "replace")).decode("utf-8", "replace") if text else ""
