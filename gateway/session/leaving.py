"""Whether a session leaves its server's connection in a state that DISCARD ALL makes new, so that another may have it."""

from gateway.session.session import Session
from parser.messages import TERMINATE

_IDLE = ord("I")
_NOTHING_MORE: tuple[list[bytes], ...] = ([], [TERMINATE])


def clean(s: Session) -> bool:
    """Whether the server has answered all that it was asked, is in no transaction, and keeps nothing of the session but what
    DISCARD ALL takes back. Whatever is in doubt is not clean."""
    if s.queue or s.status != _IDLE or s.lasting:
        return False
    if s.open_epoch == s.epoch or s.skipping:  # messages without their Sync: the next one would commit what they did
        return False
    if s.copy_in or s.copy_both or s.late is not None or s.client_pass or s.server_pass or s.server_rest:
        return False
    if s.cancelling or s.wants_cancel:
        return False
    return s.to_server in _NOTHING_MORE and (bool(s.to_server) or not s.ending)
