"""From sluice.toml to channels that tell and hear: all kinds at once, and a decision that comes through them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from gateway import settings
from gateway.approvals import signatures
from gateway.approvals.one_time import Links
from gateway.approvals.view import Approver
from gateway.errors import ConfigError
from tests.gateway.approvals.views import a_view
from tests.workers.decider import Decider
from tests.workers.inbound_rig import served
from tests.workers.issuer_rig import as_json
from tests.workers.slack_rig import APP, BOT, SIGNING, SlackServer
from tests.workers.vendor_rig import Vendor, status, vendor
from workers import channel_making, configuration
from workers.channel_making import Made, make

HOOK = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BACK = "whsec_" + "QkFD" * 11 + "QkFD"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "house") as made:
        yield made


def write(folder: Path, house: Vendor, clicks: str = 'signing_secret_file = "signing"') -> Path:
    files = {
        "bot": BOT, "app": APP, "signing": SIGNING, "hook": HOOK, "back": BACK, "routing": "R" * 32,
        "teams": f"{house.url}/teams?sig=x", "client": "client-token", "api": "api-token",
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).write_text(content + "\n")
        (folder / name).chmod(0o600)
    (folder / "people.toml").write_text('[[person]]\nemail = "carol@example.com"\nuser = "carol"\nissuer = "company"\n')
    ca = f'ca_file = "{house.ca_file}"\n'
    (folder / "sluice.toml").write_text(
        f'[[channel]]\nname = "slack"\nkind = "slack"\ntoken_file = "bot"\napi_url = "{house.url}/api"\n{ca}'
        f'people_file = "people.toml"\n{clicks}\n'
        f'[[channel]]\nname = "hook"\nkind = "webhook"\nurl = "{house.url}/hook"\nsecret_file = "hook"\n{ca}'
        'callback_secret_file = "back"\n'
        '[[channel]]\nname = "email"\nkind = "smtp"\nhost = "127.0.0.1"\nport = 1\ntls = "off"\n'
        'from = "a@example.com"\nto = ["b@example.com"]\n'
        f'[[channel]]\nname = "night"\nkind = "pagerduty"\nrouting_key_file = "routing"\nurl = "{house.url}/pd"\n{ca}'
        f'[[channel]]\nname = "teams"\nkind = "teams"\nurl_file = "teams"\n{ca}'
        f'[[channel]]\nname = "flow"\nkind = "okta"\nurl = "{house.url}/flow"\ntoken_file = "client"\n{ca}'
        f'callback_secret_file = "back"\norg_url = "{house.url}"\napi_token_file = "api"\n'
    )
    return folder / "sluice.toml"


def prove(token: str) -> Approver:
    return Approver(token, "company", (), "token")


def made_of(file: Path, decider: Decider) -> Made:
    return make(file, settings.load(file.read_text(), str(file), {}), decider, prove, Links(b"k" * 32))


async def until(ready: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not ready():
            await trio.sleep(0.005)


@pytest.mark.trio
async def test_all_channels_are_told_and_a_group_of_okta_decides(tmp_path: Path, house: Vendor) -> None:
    server = SlackServer(house)
    house.routes |= {"/hook": status(204), "/pd": status(202), "/teams": status(202), "/flow": status(200)}
    house.routes["/api/v1/users/dora/groups"] = lambda asked: as_json([{"profile": {"name": "dba"}}])
    words = ("console", "slack:#dba", "webhook:hook", "email", "night", "teams", "flow", "elsewhere")
    decider = Decider(a_view(until=time.time() + 300, channels=words))
    made = made_of(write(tmp_path, house), decider)
    assert [one.path for one in made.callbacks] == ["/slack/slack", "/hooks/hook", "/hooks/flow"]
    decider.settled = made.channels.settled
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        made.channels.asked(decider.views["h0123456789"])
        await until(lambda: {one.name: one.told for one in made.channels.health()}
                    == {"slack": 1, "hook": 1, "email": 0, "night": 1, "teams": 1, "flow": 1})  # fmt: skip
        async with served(made.callbacks) as inbound:
            body = b'{"request": "h0123456789", "approve": true, "token": "dora"}'
            signed = signatures.sign("m1", body, signatures.secret_of(BACK), time.time())
            assert (await inbound.post("/hooks/flow", body, signed)).status_code == 200
        assert decider.taken[0].approver.groups == ("dba",)
        await until(lambda: [one.told for one in made.channels.health()] == [2, 2, 0, 2, 2, 2])
        health = {one.name: one for one in made.channels.health()}
        assert "mail server cannot be reached" in health["email"].why
        assert "approved by dora" in str(list(server.messages.values()))
        await until(lambda: not any(one.waiting for one in made.channels.health()))
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_socket_mode_needs_no_address_of_its_own(tmp_path: Path, house: Vendor) -> None:
    made = made_of(write(tmp_path, house, 'app_token_file = "app"'), Decider())
    assert [one.path for one in made.callbacks] == ["/hooks/hook", "/hooks/flow"]
    assert len(made.services) == 2


def test_somebody_who_is_taken_out_of_people_toml_is_nobody_at_once(tmp_path: Path, house: Vendor) -> None:
    file = write(tmp_path, house)
    one = settings.load(file.read_text(), str(file), {}).channels[0]
    people = channel_making._People(file, one)
    assert people.now().of("carol@example.com") is not None
    (tmp_path / "people.toml").write_text("")
    assert people.now().of("carol@example.com") is None
    (tmp_path / "people.toml").write_text("[[person]]\n")
    assert len(people.now()) == 0


@pytest.mark.parametrize(
    ("name", "content", "mode", "why"),
    [
        ("bot", "", 0o600, "does not hold one line"),
        ("bot", "a\nb", 0o600, "does not hold one line"),
        ("bot", "é", 0o600, "does not hold one line"),
        ("bot", BOT, 0o604, "everybody may read"),
        ("hook", "whsec_short", 0o600, "base64|fewer"),
        ("back", "not a secret", 0o600, "base64|fewer"),
        ("teams", "http://teams.example/x", 0o600, "not https"),
        ("people.toml", "[[person]]\n", 0o600, "missing"),
    ],
)
def test_a_secret_that_cannot_be_used_is_told_before_anything_starts(
    tmp_path: Path, house: Vendor, name: str, content: str, mode: int, why: str
) -> None:
    file = write(tmp_path, house)
    (tmp_path / name).write_text(content)
    (tmp_path / name).chmod(mode)
    with pytest.raises(ConfigError, match=why) as caught:
        for one in settings.load(file.read_text(), str(file), {}).channels:
            configuration.channel_secrets(file, one)
            configuration.channel_people(file, one)
    assert BOT not in str(caught.value)
    assert "whsec_short" not in str(caught.value)
