"""Signed messages: those of the vendors' own documents, and those that somebody meddled with."""

import base64
import hashlib
import hmac

import pytest

from gateway.approvals import signatures
from gateway.approvals.signatures import Seen, Unproven

# The example of Slack's document on verifying requests.
SLACK_SECRET = b"8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
    b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
    b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
    b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_NOW = 1531420618
SLACK_HEADERS = {
    "x-slack-request-timestamp": str(SLACK_NOW),
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
}
# The example of the Standard Webhooks' specification's libraries.
SECRET = signatures.secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NOW = 1614265330
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(NOW),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_slacks_own_example_is_taken_once() -> None:
    seen = Seen()
    signatures.check_slack(SLACK_HEADERS, SLACK_BODY, SLACK_SECRET, SLACK_NOW, seen)
    with pytest.raises(Unproven, match="taken already"):
        signatures.check_slack(SLACK_HEADERS, SLACK_BODY, SLACK_SECRET, SLACK_NOW + 1, seen)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"x-slack-signature": ""}, "does not verify"),
        ({"x-slack-signature": "v0=" + "0" * 64}, "does not verify"),
        ({"x-slack-signature": "v1" + SLACK_HEADERS["x-slack-signature"][2:]}, "does not verify"),
        ({"x-slack-signature": "v0=é"}, "does not verify"),
        ({"x-slack-request-timestamp": ""}, "no number"),
        ({"x-slack-request-timestamp": "1e9"}, "no number"),
        ({"x-slack-request-timestamp": "١٥٣١٤٢٠٦١٨"}, "no number"),
        ({"x-slack-request-timestamp": str(SLACK_NOW - 301)}, "too far"),
        ({"x-slack-request-timestamp": str(SLACK_NOW + 301)}, "too far"),
        ({"x-slack-request-timestamp": str(SLACK_NOW + 1)}, "does not verify"),
    ],
)
def test_a_request_that_slack_did_not_sign_now_is_turned_away(change: dict[str, str], why: str) -> None:
    with pytest.raises(Unproven, match=why):
        signatures.check_slack(SLACK_HEADERS | change, SLACK_BODY, SLACK_SECRET, SLACK_NOW, Seen())


def test_a_bit_of_the_body_is_enough() -> None:
    with pytest.raises(Unproven):
        signatures.check_slack(SLACK_HEADERS, SLACK_BODY + b" ", SLACK_SECRET, SLACK_NOW, Seen())
    with pytest.raises(Unproven):
        signatures.check(HEADERS, BODY.replace(b"4", b"5", 1), SECRET, NOW, Seen())


def test_the_standards_own_example_verifies_and_is_what_we_make() -> None:
    assert signatures.check(HEADERS, BODY, SECRET, NOW, Seen()) == HEADERS["webhook-id"]
    assert signatures.sign(HEADERS["webhook-id"], BODY, SECRET, NOW) == HEADERS


def test_one_of_several_signatures_is_enough_while_a_secret_is_changed() -> None:
    both = HEADERS | {"webhook-signature": "v1a,zzz v1,AAAA " + HEADERS["webhook-signature"]}
    signatures.check(both, BODY, SECRET, NOW, Seen())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-id": ""}, "webhook-id"),
        ({"webhook-id": "a.b"}, "webhook-id"),
        ({"webhook-id": "x" * 257}, "webhook-id"),
        ({"webhook-id": "other"}, "does not verify"),
        ({"webhook-timestamp": str(NOW - 301)}, "too far"),
        ({"webhook-timestamp": str(NOW - 1)}, "does not verify"),
        ({"webhook-signature": ""}, "does not verify"),
        ({"webhook-signature": HEADERS["webhook-signature"].replace("v1,", "v2,")}, "does not verify"),
    ],
)
def test_a_message_that_is_not_signed_now_is_turned_away(change: dict[str, str], why: str) -> None:
    with pytest.raises(Unproven, match=why):
        signatures.check(HEADERS | change, BODY, SECRET, NOW, Seen())


def test_a_message_is_taken_once_however_its_body_is_signed_anew() -> None:
    seen = Seen()
    signatures.check(HEADERS, BODY, SECRET, NOW, seen)
    later = signatures.sign(HEADERS["webhook-id"], b"{}", SECRET, NOW + 200)
    with pytest.raises(Unproven, match="taken already"):
        signatures.check(later, b"{}", SECRET, NOW + 200, seen)


def test_what_was_taken_is_forgotten_only_when_it_is_too_old_to_be_believed() -> None:
    seen = Seen(limit=2)
    seen.take(b"a", 0.0)
    seen.take(b"b", 599.0)
    with pytest.raises(Unproven, match="too many"):
        seen.take(b"c", 599.0)
    seen.take(b"c", 600.0)
    assert len(seen) == 2


def test_a_turned_away_message_uses_nothing_up() -> None:
    seen = Seen()
    with pytest.raises(Unproven):
        signatures.check(HEADERS | {"webhook-signature": "v1,AAAA"}, BODY, SECRET, NOW, seen)
    signatures.check(HEADERS, BODY, SECRET, NOW, seen)


@pytest.mark.parametrize("text", ["whsec_", "whsec_AAAA", "whsec_***", "not base64 at all, but long enough to be one"])
def test_a_secret_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="it "):
        signatures.secret_of(text)


def test_the_scheme_is_hmac_over_id_time_and_body() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = hmac.new(key, f"{HEADERS['webhook-id']}.{NOW}.".encode() + BODY, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(made).decode()}" == HEADERS["webhook-signature"]
