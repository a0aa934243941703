"""Which proof a client is asked for, and who it is by a certificate or a static credential.

A client certificate whose rule names the start-up packet's user is proof enough; names that fit `scram_users` are asked by
SCRAM, whether there is such a credential or not; everybody else for a token, as a password or by OAUTHBEARER.
"""

import logging
import ssl
import time

from gateway.errors import Refusal, Refused, State
from gateway.identity import certificates, credentials
from gateway.identity.certificates import ClientCertificate
from gateway.identity.principal import Principal
from gateway.identity.scram import Verifier
from gateway.identity.throttle import Throttle
from gateway.issuers import Issuer
from gateway.policy import startup
from gateway.wildcards import fits
from parser.startup import Startup
from workers import door_files, tls
from workers.door_files import CA, CRL, DoorFiles
from workers.proofs import Ask, Certified, OAuth, Password, Scram
from workers.slot import Slot
from workers.sockets import Wire
from workers.tls import ServerContext

log = logging.getLogger("sluice.doors")

LIMITED = "failed sign-ins"  # the rule of a refusal that was made without a look at the proof
_WAYS = ("password", "oauth")
_OTHER_PASSWORD = Refused(
    State.NOT_SIGNED_IN, "the password behind this session counts no more", "Connect again with the one that does."
)
_REVOKED = Refused(
    State.NOT_SIGNED_IN, "the certificate behind this session was withdrawn", "Connect again with one that counts."
)


class Doors:
    """The doors of one worker."""

    def __init__(self, slot: Slot) -> None:
        gateway = slot.settings.gateway
        self._slot = slot
        self._auth = gateway.auth
        self._scram_users = gateway.scram_users
        self._rules = certificates.rules_of(slot.settings.certificates, "sluice.toml")
        self._credentials = door_files.credentials_of(slot.door_files, slot.settings, slot.secrets.mock_key)
        self._authority = door_files.authority_of(slot.door_files)
        self.throttle = Throttle(gateway.sign_in_failures_per_minute)
        self.tls_context: ServerContext | None = None
        if gateway.tls != "off":
            self.tls_context = self._context(slot.door_files)

    def renew(self, files: DoorFiles) -> None:
        """Takes over what SIGHUP has read, which was checked; the certificate shown to clients is read again too."""
        self._credentials = door_files.credentials_of(files, self._slot.settings, self._slot.secrets.mock_key)
        self._authority = door_files.authority_of(files)
        if self.tls_context is None:
            return
        try:
            self.tls_context = self._context(files)
        except OSError as error:
            log.error("TLS goes on as it was: the certificates for it cannot be used: %s", error)

    def _context(self, files: DoorFiles) -> ServerContext:
        gateway = self._slot.settings.gateway
        own = str(self._slot.path(gateway.tls_cert)), str(self._slot.path(gateway.tls_key))
        return tls.server_context(*own, *(files.get(key, ("", b""))[1] for key in (CA, CRL)))

    def renewed(self, who: Principal, sock: object) -> Principal | Refused:
        """Somebody who is in, by what `renew` has read; or why he would not come in any more: the password is another, or
        nobody stands behind the connection's certificate any more."""
        if isinstance(sock, ssl.SSLSocket) and self._is_withdrawn(sock):
            return _REVOKED
        if who.method == "scram":
            return self._credentials.renewed(who, time.time()) or _OTHER_PASSWORD
        return who

    def _is_withdrawn(self, sock: ssl.SSLSocket) -> bool:
        try:
            shown = sock.context.verify_mode is not ssl.CERT_NONE and sock.getpeercert(binary_form=True)
            return bool(shown) and not self._authority.stands_behind(tls.client_chain(sock))
        except (OSError, ValueError):  # it has just gone
            return True

    def is_plain(self, packet: Startup) -> bool:
        """Whether this client, outside TLS, is asked for its token as a password. Raises Refusal."""
        return not self._is_scram(packet.get("user") or "") and self._way(packet)[0] == "password"

    def ask(self, packet: Startup, wire: Wire) -> Ask:
        """What to ask this client for. Raises Refusal."""
        user = packet.get("user") or ""
        way, wanted = self._way(packet)
        certificate = certificate_of(wire.sock)
        if certificate is not None:
            found = certificates.principal(certificate, user, self._rules, time.time())
            if found is not None:
                return Certified(found)
        if self._is_scram(user):
            return self._scram(user, wire)
        thumbprint = b"" if certificate is None else certificate.thumbprint
        return OAuth(self._issuer(wanted), thumbprint) if way == "oauth" else Password(thumbprint)

    def _way(self, packet: Startup) -> tuple[str, str]:
        """How to ask for a token, and the issuer that the client names."""
        if not any(name == "options" or name.lower().startswith("sluice.") for name, _ in packet.pairs):
            return self._auth, ""
        way, issuer = startup.door(packet.pairs)
        if way and way not in _WAYS:
            raise Refusal(Refused(State.NOT_SIGNED_IN, "sluice.auth is neither password nor oauth", "Set one of the two."))
        return way or self._auth, issuer

    def _is_scram(self, user: str) -> bool:
        return any(fits(user, pattern) for pattern in self._scram_users)

    def _issuer(self, wanted: str) -> Issuer:
        """The one that a client is told of."""
        for one in self._slot.settings.issuers:
            if wanted in ("", one.name):
                return one
        if wanted:
            raise Refusal(Refused(State.NOT_SIGNED_IN, "sluice.issuer names no issuer", "Leave it out for the first one."))
        raise Refusal(Refused(State.NOT_SIGNED_IN, "no issuer of tokens is configured", "Sign in another way."))

    def _scram(self, user: str, wire: Wire) -> Scram:
        held, address = self._credentials, wire.address
        self.check(address, user)

        def judge(proven: Verifier | None) -> Principal:
            self.check(address, user)  # again: many may have been asked at once
            if proven is None:
                self.failed(address, user)
                raise Refusal(credentials.refusal(user))
            return held.principal(user, proven, time.time())

        return Scram(held.challenge(user, time.time()), _binding_of(wire.sock), judge)

    def check(self, address: str, user: str) -> None:
        """Raises Refusal where too many sign-ins have failed lately."""
        refused = self.limit(address, user)
        if refused is not None:
            raise Refusal(refused)

    def limit(self, address: str, user: str) -> Refused | None:
        """The refusal where too many sign-ins have failed lately."""
        wait = self.throttle.wait(address, user, time.monotonic())
        if wait <= 0:
            return None
        why = f"sign-in refused: too many sign-ins have failed; wait {max(1, round(wait + 0.5))} s"
        return Refused(State.BAD_TOKEN, why, "Then try again once.", LIMITED)

    def failed(self, address: str, user: str) -> None:
        self.throttle.failed(address, user, time.monotonic())


def certificate_of(sock: object) -> ClientCertificate | None:
    """The certificate that the client has shown and TLS has verified."""
    if not isinstance(sock, ssl.SSLSocket) or sock.context.verify_mode is ssl.CERT_NONE:
        return None
    der = sock.getpeercert(binary_form=True)
    return certificates.read(der) if der else None


def _binding_of(sock: object) -> bytes | None:
    """What SCRAM-SHA-256-PLUS binds to: our certificate as this connection was shown it."""
    if isinstance(sock, ssl.SSLSocket) and isinstance(sock.context, ServerContext):
        return sock.context.binding
    return None
