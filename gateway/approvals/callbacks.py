"""A decision that a program brings: which request, yes or no, and the token of the person who decided."""

from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.approvals.signatures import Unproven
from gateway.approvals.view import ID_CHARACTERS_MAX, WORDS_CHARACTERS_MAX

BODY_BYTES_MAX = 65_536


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body. `token`: of a configured issuer, for this gateway; no repr shows it."""

    request: Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
    approve: bool
    token: Annotated[str, Meta(min_length=1, max_length=8192)]
    words: Annotated[str, Meta(max_length=WORDS_CHARACTERS_MAX)] = ""

    def __repr__(self) -> str:
        return f"<Decision of {self.request!r}>"


_decoder = msgspec.json.Decoder(Decision)


def read(body: bytes) -> Decision:
    """Raises Unproven."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise Unproven("the body is not a decision: request, approve, token and words") from None
