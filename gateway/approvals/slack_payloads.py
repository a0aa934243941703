"""What Slack tells of clicks and dialogs, read strictly, and whether its user counts as the person of an e-mail address."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.approvals.signatures import Unproven
from gateway.approvals.slack_blocks import APPROVE, DECIDE, DENY, WORDS
from gateway.approvals.view import WORDS_CHARACTERS_MAX

_STRANGERS: Final = (
    "deleted", "is_bot", "is_app_user", "is_restricted", "is_ultra_restricted", "is_stranger", "is_invited_user",
    "is_workflow_bot", "is_connector_bot",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Click:
    """Somebody pressed Approve or Deny on a message."""

    user: str
    team: str
    approve: bool
    value: str
    channel: str
    stamp: str  # of the message
    trigger: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """Somebody sent the dialog."""

    user: str
    team: str
    metadata: str
    words: str


class _Id(msgspec.Struct):
    id: str


class _Action(msgspec.Struct):
    action_id: str
    value: str = ""


class _Message(msgspec.Struct):
    ts: str


class _BlockActions(msgspec.Struct, tag_field="type", tag="block_actions"):
    user: _Id
    team: _Id
    actions: list[_Action]
    trigger_id: str = ""
    channel: _Id | None = None
    message: _Message | None = None


class _Input(msgspec.Struct):
    value: str | None = None


class _State(msgspec.Struct):
    values: dict[str, dict[str, _Input]]


class _Modal(msgspec.Struct):
    callback_id: str
    state: _State
    private_metadata: str = ""


class _Submission(msgspec.Struct, tag_field="type", tag="view_submission"):
    user: _Id
    team: _Id
    view: _Modal


_payload = msgspec.json.Decoder(_BlockActions | _Submission)
_kind = msgspec.json.Decoder(dict[str, Any])


def read(payload: bytes) -> Click | Submitted | None:
    """What was done; None: something else than a decision. Raises Unproven for what Slack would not send."""
    try:
        if _kind.decode(payload).get("type") not in ("block_actions", "view_submission"):
            return None
        found = _payload.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        raise Unproven("the payload cannot be read") from None
    if isinstance(found, _Submission):
        if found.view.callback_id != DECIDE:
            return None
        words = found.view.state.values.get(WORDS, {}).get(WORDS, _Input()).value or ""
        return Submitted(found.user.id, found.team.id, found.view.private_metadata, words[:WORDS_CHARACTERS_MAX])
    ours = [one for one in found.actions if one.action_id in (APPROVE, DENY)]
    if not ours:
        return None
    if len(ours) > 1 or found.channel is None or found.message is None:
        raise Unproven("the payload cannot be read")
    approve = ours[0].action_id == APPROVE
    return Click(
        found.user.id, found.team.id, approve, ours[0].value, found.channel.id, found.message.ts, found.trigger_id
    )


def email_of(user: Any, wanted: str, team: str) -> str:
    """The address of a member of our own workspace, from users.info. Raises Unproven with words for whoever clicked."""
    if not isinstance(user, dict) or user.get("id") != wanted:
        raise Unproven("Slack does not know you")
    if user.get("team_id") != team:
        raise Unproven("you are of another workspace")
    if any(user.get(word) for word in _STRANGERS):
        raise Unproven("guests, apps and accounts that are not active do not decide")
    profile = user.get("profile")
    email = profile.get("email") if isinstance(profile, dict) else None
    if not isinstance(email, str) or not email or user.get("is_email_confirmed") is not True:
        raise Unproven("Slack has no confirmed e-mail address of yours")
    return email
