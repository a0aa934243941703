"""Mail: a request as plain text to each reader, with a link of his own to its page; and another when it is over."""

import logging
import secrets
import smtplib
import ssl
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final

import trio

from gateway.approvals import telling
from gateway.approvals.one_time import Links
from gateway.approvals.view import View, plain
from gateway.channels import MAIL_PORTS, Channel, is_mail
from workers.channels import NotTold

SECONDS: Final = 10.0  # for each step of the talk
log = logging.getLogger("sluice.channels")
_SUBJECT_MAX: Final = 160
_SHAPE_MAX: Final = 8000


class Mail:
    """The channel. `links` makes the links; without them mail names the page alone."""

    def __init__(
        self,
        entry: Channel,
        password: str,
        links: Links,
        context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self.name = entry.name
        self._entry = entry
        self._password = password
        self._links = links
        self._context = context
        self._limiter = trio.CapacityLimiter(2)

    async def ask(self, view: View, place: str) -> str:
        """The receipt is the id of the thread."""
        thread = f"<{view.id}.{secrets.token_hex(8)}@{self._entry.sender.rpartition('@')[2]}>"
        await self._deliver([self._letter(view, reader, thread, first=True) for reader in self._readers(place)])
        return thread

    async def settled(self, view: View, place: str, receipt: str) -> None:
        """As a channel does it."""
        await self._deliver([self._letter(view, reader, receipt, first=False) for reader in self._readers(place)])

    def _readers(self, place: str) -> tuple[str, ...]:
        if place and not is_mail(place):
            raise NotTold("the policy names no mail address", again=False)
        return (place,) if place else self._entry.to

    def _letter(self, view: View, reader: str, thread: str, *, first: bool) -> EmailMessage:
        letter = EmailMessage()
        letter["From"] = Address("Sluice", addr_spec=self._entry.sender)
        letter["To"] = Address(addr_spec=reader)
        letter["Subject"] = plain(f"[Sluice] {telling.headline(view)}", _SUBJECT_MAX)
        letter["Auto-Submitted"] = "auto-generated"
        if first:
            letter["Message-ID"] = thread
        else:
            letter["In-Reply-To"] = letter["References"] = thread
        parts = ["\n".join(f"{name}: {text}" for name, text in telling.lines(view))]
        if sql := telling.shape(view, _SHAPE_MAX):
            parts.append(sql)
        if view.url and view.state == "open":
            token = self._links.make(view.id, reader, view.until, secrets.token_urlsafe(12))
            parts.append(
                f"{view.url}?link={token}\n\n"
                "The link is yours alone and good for one decision. It shows the request and asks you to sign in."
            )
        letter.set_content("\n\n".join(parts) + "\n", charset="utf-8")
        return letter

    async def _deliver(self, letters: list[EmailMessage]) -> None:
        await trio.to_thread.run_sync(self._talk, letters, abandon_on_cancel=True, limiter=self._limiter)

    def _talk(self, letters: list[EmailMessage]) -> None:
        """In a thread. Raises NotTold where no letter was taken; once one was, trying again would tell its reader twice."""
        sent, failure = 0, None
        try:
            with self._connected() as server:
                for letter in letters:
                    try:
                        server.send_message(letter)
                        sent += 1
                    except smtplib.SMTPRecipientsRefused as error:  # the others may be taken
                        failure = _why(error)
        except (smtplib.SMTPException, OSError) as error:
            failure = _why(error)
        if failure is not None and not sent:
            raise failure
        if failure is not None:
            log.warning("channel %s: %d of %d readers were told: %s", self.name, sent, len(letters), failure)

    def _connected(self) -> smtplib.SMTP:
        entry = self._entry
        port = entry.port or MAIL_PORTS[entry.tls]
        server: smtplib.SMTP
        if entry.tls == "tls":
            server = smtplib.SMTP_SSL(entry.host, port, timeout=SECONDS, context=self._context())
        else:
            server = smtplib.SMTP(entry.host, port, timeout=SECONDS)
        try:
            if entry.tls == "starttls":
                server.starttls(context=self._context())
            if entry.user:
                server.login(entry.user, self._password)
        except BaseException:
            server.close()
            raise
        return server


def _why(error: smtplib.SMTPException | OSError) -> NotTold:
    """Without the server's own words, which may quote what was sent."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = min(code for code, _ in error.recipients.values())
        return NotTold(f"the mail server refuses a reader ({code})", again=400 <= code < 500)
    if isinstance(error, smtplib.SMTPResponseException):
        return NotTold(f"the mail server answers {error.smtp_code}", again=400 <= error.smtp_code < 500)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return NotTold("the mail server lacks STARTTLS or a sign-in", again=False)
    system = error.strerror if not isinstance(error, smtplib.SMTPException) else ""
    return NotTold(f"the mail server cannot be reached: {system or type(error).__name__}", again=True)
