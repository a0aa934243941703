"""The person behind a shared account: how a session that many share says for whom it works.

`SET sluice.user_token = '<token>'` says it of all that follows, until the next one (RESET, '' or DISCARD ALL: for nobody but
itself again); a comment in sqlcommenter form, /*sluice_user_token='<token>'*/, of its own statement alone. The token is one
of a configured issuer, verified as if the person signed in, and nobody but the gateway reads it: asterisks take its place
in what goes to the server.

It is the gateway's setting and not the server's: no ROLLBACK takes it back, and what went wrong does not leave the session
with the rights of somebody before.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import Refused, State
from parser.facts import Facts, Setting

SETTING: Final = "sluice.user_token"
TAG: Final = "sluice_user_token"
RULE: Final = "end user"
_COMMENT: Final = re.compile(rb"""sluice_user_token\s*=\s*'([^'\\]*)'""")
_MARKS: Final = (b"user_token", b"USER_TOKEN")  # a text without one of them names nobody


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a text names: the token, "" for the account itself. `once`: for this statement alone."""

    token: str = field(repr=False)
    once: bool


def may_name(text: bytes) -> bool:
    """Whether it is worth reading a text for a token."""
    return any(mark in text for mark in _MARKS)


def named(text: bytes, statements: Sequence[Facts]) -> Named | Refused | None:
    """Whom a text names; None where it names nobody, a refusal where it does so in a way that is not followed.

    Comments are remembered in part: what stands in the text must be there as a pair of a comment, and is taken from it.
    """
    written = _COMMENT.findall(text)
    tags = [value for facts in statements for key, value in facts.tags if key == TAG]
    settings = [one for facts in statements for one in facts.settings if one.name == SETTING]
    if not written and not tags:
        return _set(settings[0], statements) if settings else None
    if len(written) != 1 or len(tags) != 1 or settings or len(statements) != 1:
        return MISPLACED
    token = written[0].decode()
    return Named(token, True) if token.startswith(tags[0]) and tags[0] else MISPLACED


def _set(setting: Setting, statements: Sequence[Facts]) -> Named | Refused | None:
    if setting.value and _is_blank(setting.value):
        return None  # asterisks stand in a token's place already
    (facts, *others) = statements
    if others or len(facts.settings) != 1 or setting.local or facts.kinds not in (("SET",), ("RESET",)):
        return MISPLACED
    return Named(setting.value or "", False)


def blanked(text: bytes, token: str) -> bytes | None:
    """The text with asterisks for the token; None where it is not spelled there as it is."""
    spelled = token.encode()
    return text.replace(spelled, b"*" * len(spelled)) if spelled in text else None


def misplaced(facts: Facts) -> Refused | None:
    """The refusal of a statement in which a token is left: one that the session may not or cannot use where it stands."""
    values = [value for key, value in facts.tags if key == TAG]
    values += [one.value or "" for one in facts.settings if one.name == SETTING]
    unread = any(one.name == SETTING and one.value is None and facts.kinds[0] not in _PLAIN for one in facts.settings)
    if not unread and all(_is_blank(value) for value in values):
        return None
    return MISPLACED


MISPLACED: Final = Refused(
    State.DENIED,
    f'denied by "{RULE}": a token of a person stands where this session cannot take it',
    f"Where a grant lets the session work for others: send SET {SETTING} = '<token>' as a message of its own, or the token "
    f"in the comment of a single statement, as {TAG}.",
    RULE,
)
NOBODY: Final = Refused(
    State.DENIED,
    f'denied by "{RULE}": this account works for named persons alone, and none is named',
    f"Name the person first: SET {SETTING} = '<token>', or the token in the statement's comment, as {TAG}.",
    RULE,
)
_PLAIN: Final = ("SET", "RESET")


def _is_blank(value: str) -> bool:
    return not value.strip("*")
