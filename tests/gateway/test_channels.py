"""[[channel]] of sluice.toml, and the words of policies that mean them."""

import pytest

from gateway import settings
from gateway.channels import Channel, route
from gateway.errors import ConfigError
from gateway.policy import compile as policy_table
from gateway.policy import rules
from gateway.policy.table import PolicyTable

SLACK = '[[channel]]\nname = "slack"\nkind = "slack"\ntoken_file = "t"\n'
MAIL = '[[channel]]\nname = "email"\nkind = "smtp"\nhost = "mx.example.com"\nfrom = "a@b.c"\nto = ["d@e.f"]\n'
HOOK = '[[channel]]\nname = "okta"\nkind = "webhook"\nurl = "https://hooks.example.com/x"\nsecret_file = "s"\n'


def load(text: str) -> settings.Settings:
    return settings.load(text, "sluice.toml", {})


def test_all_kinds_are_read() -> None:
    text = (
        SLACK + 'app_token_file = "a"\npeople_file = "people.toml"\nliterals = true\n' + MAIL + HOOK
        + '[[channel]]\nname = "pd"\nkind = "pagerduty"\nrouting_key_file = "r"\nseverity = "critical"\n'
        + '[[channel]]\nname = "teams"\nkind = "teams"\nurl_file = "u"\n'
        + '[[channel]]\nname = "flow"\nkind = "okta"\nurl = "https://a.okta.com/api/flo/x/invoke"\ntoken_file = "t"\n'
    )  # fmt: skip
    channels = load(text).channels
    assert [one.kind for one in channels] == ["slack", "smtp", "webhook", "pagerduty", "teams", "okta"]
    assert channels[0].secret_files == ("token_file", "app_token_file")
    assert channels[1].sender == "a@b.c"


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        (SLACK.replace('kind = "slack"', 'kind = "slak"'), 3, "channel[0].kind", 'did you mean "slack"'),
        (SLACK + 'tokn = "x"\n', 5, "channel[0].tokn", "unknown key"),
        (SLACK + 'routing_key_file = "x"\n', 5, "channel[0].routing_key_file", "kind slack has no such key"),
        (SLACK.replace('token_file = "t"\n', ""), 1, "channel[0]", '"token_file" is missing'),
        (SLACK + 'app_token_file = "x"\n', 1, "channel[0]", "add people_file"),
        (
            SLACK + 'app_token_file = "x"\nsigning_secret_file = "y"\npeople_file = "p"\n', 5,
            "channel[0].app_token_file", "Socket Mode",
        ),
        (SLACK.replace('name = "slack"', 'name = "console"'), 2, "channel[0].name", "always"),
        (SLACK.replace('name = "slack"', 'name = "A b"'), 2, "channel[0].name", "not a name"),
        (SLACK + SLACK, 6, "channel[1].name", "already"),
        (HOOK.replace("https", "http"), 4, "channel[0].url", "not https"),
        (HOOK.replace("hooks.", "u:p@hooks."), 4, "channel[0].url", "a user or a password"),
        (MAIL + 'tls = "off"\n', 7, "channel[0].tls", "in clear"),
        (MAIL.replace("a@b.c", "a@b.c, x@y.z"), 5, "channel[0].from", "not a mail address"),
        (MAIL.replace("d@e.f", "d"), 6, "channel[0].to[0]", "not a mail address"),
        (MAIL + 'user = "x"\n', 1, "channel[0]", "belong together"),
        (MAIL + 'password = "x"\n', 7, "channel[0].password", "did you mean \"password_file\""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_mend(text: str, line: int, key: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    fault = caught.value.fault
    assert (fault.line, fault.key) == (line, key)
    assert why in str(caught.value)


CHANNELS = (
    Channel("slack", "slack"), Channel("email", "smtp"), Channel("okta", "webhook"), Channel("night", "pagerduty"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("slack:#db-approvals", ("slack", "#db-approvals")),
        ("slack", ("slack", "")),
        ("email", ("email", "")),
        ("email:dba@example.com", ("email", "dba@example.com")),
        ("smtp:dba@example.com", ("email", "dba@example.com")),
        ("webhook:okta", ("okta", "")),
        ("night", ("night", "")),
        ("pagerduty:night", ("night", "")),
        ("webhook:night", None),
        ("okta:elsewhere", None),
        ("teams", None),
        ("teams:x", None),
    ],
)
def test_a_policys_word_means_a_channel_and_a_place_in_it(word: str, found: tuple[str, str] | None) -> None:
    way = route(word, CHANNELS)
    assert (None if way is None else (way[0].name, way[1])) == found


def test_two_workspaces_are_told_apart_by_name() -> None:
    two = (Channel("acme", "slack"), Channel("globex", "slack"))
    assert route("slack:#dba", two) is None
    way = route("globex:#dba", two)
    assert way is not None
    assert way[0].name == "globex"


def test_check_says_which_channel_of_a_policy_is_not_there() -> None:
    policy = '[[approval]]\nname = "w"\napprovers = { groups = ["dba"] }\nchannels = ["console", "slack:#dba", "sms"]\n'
    read = rules.load(policy, "policy.toml")
    notes = PolicyTable(policy_table.compile([read], load(SLACK))).notes
    assert [note for note in notes if "channel" in note] == [
        'policy.toml:1: "w": channel "sms" is not in sluice.toml, so nobody is told there'
    ]
