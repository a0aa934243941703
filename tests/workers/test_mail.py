"""Mail, against a server that talks SMTP: who gets what, over what, and what becomes of links."""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.approvals.one_time import Links
from gateway.approvals.signatures import Unproven
from gateway.channels import Channel
from tests.gateway.approvals.views import SECRET, a_view, decided
from tests.workers.mail_rig import PASSWORD, USER, MailServer, mail_server
from workers.channels import NotTold
from workers.mail import Mail

pytestmark = pytest.mark.trio
LINKS = Links(b"k" * 32)
NOW = a_view().since
TWO = ("carol@example.com", "dora@example.com")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path / "mail") as made:
        yield made


def mail(server: MailServer, password: str = PASSWORD, to: tuple[str, ...] = TWO) -> Mail:
    entry = Channel(
        "email", "smtp", host="127.0.0.1", port=server.port, tls=server.tls,  # type: ignore[arg-type]
        user=USER if server.auth else "", sender="sluice@example.com", to=to,
    )  # fmt: skip
    return Mail(entry, password, LINKS, lambda: ssl.create_default_context(cafile=str(server.ca_file)))


async def test_each_reader_gets_a_letter_with_a_link_of_his_own(server: MailServer) -> None:
    await mail(server).ask(a_view(), "")
    assert [reader for reader, _ in server.letters] == ["carol@example.com", "dora@example.com"]
    tokens = []
    for reader, letter in server.letters:
        assert letter["To"] == reader
        assert letter["Subject"].startswith("[Sluice] agent-7 for ada: UPDATE")
        text = letter.get_content()
        assert "WHERE email = $3" in text
        assert SECRET not in text
        (token,) = re.findall(r"https://sluice\.example\.com/approvals/h0123456789\?link=(\S+)", text)
        assert LINKS.read(token, "h0123456789", NOW).reader == reader
        tokens.append(token)
    LINKS.spend(tokens[0], "h0123456789", NOW)
    assert LINKS.read(tokens[1], "h0123456789", NOW), "one reader's link is not the other's"
    with pytest.raises(Unproven):
        LINKS.read(tokens[0], "h0123456789", NOW)
    assert server.in_clear[-1] == "STARTTLS", "neither the password nor a letter crosses in clear"


async def test_the_end_is_told_in_the_same_thread_without_a_link(server: MailServer) -> None:
    channel = mail(server, to=("carol@example.com",))
    await channel.settled(decided(), "", await channel.ask(a_view(), ""))
    (_, first), (_, last) = server.letters
    assert last["In-Reply-To"] == first["Message-ID"]
    assert "link=" not in last.get_content()
    assert "approved by carol" in last["Subject"]


async def test_a_place_of_the_policy_is_the_reader(server: MailServer) -> None:
    await mail(server).ask(a_view(), "erin@example.com")
    assert [reader for reader, _ in server.letters] == ["erin@example.com"]
    for place in ("erin", "erin@example.com\nBcc: x@y.z", "a@b.c, d@e.f"):
        with pytest.raises(NotTold, match="no mail address"):
            await mail(server).ask(a_view(), place)


async def test_a_request_cannot_write_headers(server: MailServer) -> None:
    evil = "x\r\nBcc: evil@example.org\r\n\r\nbody"
    await mail(server, to=("carol@example.com",)).ask(a_view(title=evil, user=evil, database=evil, reason=evil), "")
    (_, letter) = server.letters[0]
    assert letter["Bcc"] is None
    assert "\n" not in letter["Subject"]


async def test_a_server_of_another_authority_gets_nothing(server: MailServer) -> None:
    entry = Channel("email", "smtp", host="127.0.0.1", port=server.port, sender="a@b.c", to=("d@e.f",), user=USER)
    with pytest.raises(NotTold, match="cannot be reached") as caught:
        await Mail(entry, PASSWORD, LINKS).ask(a_view(), "")
    assert caught.value.again
    assert server.letters == []


@pytest.mark.parametrize(
    ("refusals", "again", "why"),
    [
        ({"MAIL": "451 try later"}, True, "451"),
        ({"MAIL": f"550 no, {SECRET}"}, False, "550"),
        ({"DATA": "452 full"}, True, "452"),
        ({"EHLO": "421 busy", "HELO": "421 busy"}, True, "421"),
        ({"RCPT": "450 greylisted"}, True, "450"),
        ({"RCPT": "550 unknown"}, False, "550"),
        ({"MAIL": "close"}, True, "cannot be reached"),
        ({"STARTTLS": "454 not now"}, True, "454"),
    ],
)
async def test_what_the_server_says_against_it_decides_on_another_try(
    server: MailServer, refusals: dict[str, str], again: bool, why: str
) -> None:
    server.refusals = dict(refusals)
    with pytest.raises(NotTold, match=why) as caught:
        await mail(server, to=("carol@example.com",)).ask(a_view(), "")
    assert caught.value.again is again
    assert SECRET not in str(caught.value)


async def test_one_reader_that_is_refused_does_not_keep_the_others_letter(server: MailServer) -> None:
    server.refusals = {"RCPT": "550 unknown"}
    await mail(server).ask(a_view(), "")
    assert [reader for reader, _ in server.letters] == ["dora@example.com"]


async def test_a_wrong_password_is_told_without_it(server: MailServer) -> None:
    with pytest.raises(NotTold, match="535") as caught:
        await mail(server, "wrong-password").ask(a_view(), "")
    assert not caught.value.again
    assert "wrong" not in str(caught.value)


async def test_a_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    with mail_server(tmp_path / "mail", tls="off", auth=False) as server:
        server.tls = "starttls"
        channel = mail(server)
        server.tls = "off"
        with pytest.raises(NotTold, match="lacks STARTTLS"):
            await channel.ask(a_view(), "")
        assert server.letters == []


async def test_tls_from_the_first_byte_is_spoken(tmp_path: Path) -> None:
    with mail_server(tmp_path / "mail", tls="tls") as server:
        await mail(server, to=("carol@example.com",)).ask(a_view(), "")
        assert len(server.letters) == 1
        assert server.in_clear == []
