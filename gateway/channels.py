"""[[channel]] of sluice.toml: where people are told of what waits for them, and which words of a policy mean which."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from gateway.issuers import is_loopback, url_fault
from gateway.toml_source import Path, fail, nearest

CONSOLE: Final = "console"  # always there
Kind = Literal["slack", "webhook", "smtp", "pagerduty", "teams", "okta"]
Severity = Literal["info", "warning", "error", "critical"]
MailTls = Literal["starttls", "tls", "off"]
SLACK_URL: Final = "https://slack.com/api"
PAGERDUTY_URL: Final = "https://events.pagerduty.com/v2/enqueue"
MAIL_PORTS: Final[Mapping[str, int]] = {"starttls": 587, "tls": 465, "off": 25}

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,62}(:[^\s\x00-\x1f]{1,255})?")
_MAIL = re.compile(r"[^\s@<>,;\x00-\x1f]{1,64}@[^\s@<>,;\x00-\x1f]{1,255}")
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "slack": ("token_file",),
    "webhook": ("url", "secret_file"),
    "smtp": ("host", "from", "to"),
    "pagerduty": ("routing_key_file",),
    "teams": ("url_file",),
    "okta": ("url", "token_file"),
}
_OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "slack": ("channel", "signing_secret_file", "app_token_file", "people_file", "literals", "api_url"),
    "webhook": ("callback_secret_file", "literals"),
    "smtp": ("port", "tls", "user", "password_file"),
    "pagerduty": ("severity", "url"),
    "teams": (),
    "okta": ("callback_secret_file", "org_url", "api_token_file"),
}
_EVERY: Final = ("name", "kind", "ca_file")
_URLS: Final = ("url", "api_url", "org_url")


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of them; which keys it has is its kind's. Secrets are in the files that are named. `literals`: whether messages
    show a statement's values to whoever reads the channel."""

    name: str
    kind: Kind
    ca_file: str = ""
    token_file: str = ""
    channel: str = ""
    signing_secret_file: str = ""
    app_token_file: str = ""
    people_file: str = ""
    literals: bool = False
    api_url: str = SLACK_URL
    url: str = ""
    secret_file: str = ""
    callback_secret_file: str = ""
    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    tls: MailTls = "starttls"
    user: str = ""
    password_file: str = ""
    sender: str = msgspec.field(name="from", default="")
    to: tuple[str, ...] = ()
    routing_key_file: str = ""
    severity: Severity = "warning"
    url_file: str = ""
    org_url: str = ""
    api_token_file: str = ""

    @property
    def secret_files(self) -> tuple[str, ...]:
        """The keys that name a file with a secret, where they are given."""
        return tuple(
            key
            for key in self.__struct_fields__
            if key.endswith("_file") and key not in ("ca_file", "people_file") and getattr(self, key)
        )


def route(word: str, channels: Sequence[Channel]) -> tuple[Channel, str] | None:
    """The channel that a policy's word means, and where in it: "email", "slack:#dba" (a name or kind and a place in it),
    "webhook:okta" (a kind and a name). None: sluice.toml has none. The console is no such channel."""
    named = {one.name: one for one in channels}
    before, colon, behind = word.partition(":")
    if not colon:
        return (named[word], "") if word in named else None
    if before in named and named[before].kind in ("slack", "smtp"):
        return named[before], behind
    one = named.get(behind)
    if one is not None and one.kind == before:
        return one, ""
    only = [one for one in channels if one.kind == before]
    if before in ("slack", "smtp") and len(only) == 1:
        return only[0], behind
    return None


def check_words(words: Sequence[str], path: Path, text: str, file: str) -> None:
    """`channels` of a rule. Raises ConfigError for the first that could be none."""
    for index, word in enumerate(words):
        if not _WORD.fullmatch(word):
            mend = 'use "console", the name of a [[channel]] of sluice.toml, "slack:#channel" or "webhook:name"'
            fail(text, file, (*path, "channels", index), "not a channel", mend)


def check(channels: Sequence[Channel], given: Sequence[Mapping[str, Any]], text: str, file: str) -> None:
    """Raises ConfigError for the first mistake. `given`: the tables as they were written."""
    names: set[str] = set()
    for index, one in enumerate(channels):
        path: Path = ("channel", index)
        if not _NAME.fullmatch(one.name) or one.name == CONSOLE:
            mend = 'use a word like "slack"; "console" is there always'
            fail(text, file, (*path, "name"), "not a name for a channel", mend)
        if one.name in names:
            fail(text, file, (*path, "name"), f'there is already a channel "{one.name}"', "give it another name")
        names.add(one.name)
        _keys(one, given[index], path, text, file)
        _addresses(one, path, text, file)
        if one.kind == "slack":
            _slack(one, path, text, file)
        if one.kind == "smtp":
            _smtp(one, path, text, file)
        if bool(one.org_url) != bool(one.api_token_file):
            here = "org_url" if one.org_url else "api_token_file"
            fail(text, file, (*path, here), "org_url and api_token_file belong together", "set both or none")


def is_mail(address: str) -> bool:
    """Whether this is one plain mail address."""
    return _MAIL.fullmatch(address) is not None


def _keys(one: Channel, given: Mapping[str, Any], path: Path, text: str, file: str) -> None:
    required = _REQUIRED[one.kind]
    known = [*_EVERY, *required, *_OPTIONAL[one.kind]]
    for key in given:
        if key not in known:
            why = f"a channel of the kind {one.kind} has no such key"
            fail(text, file, (*path, key), why, nearest(key, known))
    for key in required:
        if not given.get(key):
            fail(text, file, path, f'the key "{key}" is missing', f"add {key} = …")


def _addresses(one: Channel, path: Path, text: str, file: str) -> None:
    for key in _URLS:
        url = getattr(one, key)
        if url and (why := url_fault(url)):
            fail(text, file, (*path, key), why, 'write it as "https://…"')


def _slack(one: Channel, path: Path, text: str, file: str) -> None:
    if one.signing_secret_file and one.app_token_file:
        why = "signing_secret_file is there too: Slack sends clicks to one place"
        mend = "keep app_token_file for Socket Mode, or signing_secret_file for requests to /slack"
        fail(text, file, (*path, "app_token_file"), why, mend)
    if (one.signing_secret_file or one.app_token_file) and not one.people_file:
        why = "nobody who clicks would have a right to decide"
        fail(text, file, path, why, "add people_file, which says whose address belongs to which user")


def _smtp(one: Channel, path: Path, text: str, file: str) -> None:
    if not is_mail(one.sender):
        fail(text, file, (*path, "from"), "not a mail address", 'write it as "sluice@example.com"')
    for index, address in enumerate(one.to):
        if not is_mail(address):
            fail(text, file, (*path, "to", index), "not a mail address", 'write it as "dba@example.com"')
    if bool(one.user) != bool(one.password_file):
        fail(text, file, path, "user and password_file belong together", "set both or none")
    if one.tls == "off" and not is_loopback(one.host):
        fail(text, file, (*path, "tls"), "mail would cross the network in clear", 'set tls = "starttls" or "tls"')
