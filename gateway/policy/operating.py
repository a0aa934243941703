"""What somebody may do to others' sessions, by the same policy that says what he may do in databases.

His own sessions, and those in which an agent acts for him, he may always see and end. In a database where his rights include
"admin" he may see and end all; who has that in every configured database operates the gateway: he bars users, agents and
tokens for all. Agents operate nothing.
"""

from dataclasses import dataclass

from gateway.errors import Refusal
from gateway.identity.principal import Principal
from gateway.policy.table import PolicyTable
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a session is, and where it is."""

    user: str
    issuer: str
    database: str
    environment: str


class Operator:
    """A verified person or machine, never an agent, at `now` (POSIX seconds)."""

    def __init__(self, who: Principal, table: PolicyTable, settings: Settings, now: float) -> None:
        assert not who.actors, "agents operate nothing"
        self.who = who
        self._table = table
        self._settings = settings
        self._now = now
        self._known: dict[tuple[str, str], bool] = {}

    def administers(self, database: str, environment: str) -> bool:
        """Whether the rights there include "admin"."""
        place = database, environment
        if place not in self._known:
            try:
                rights = self._table.rights(self.who, database, environment, self._now, 0)
            except Refusal:
                self._known[place] = False
            else:
                self._known[place] = rights.may("admin")
        return self._known[place]

    @property
    def everywhere(self) -> bool:
        """Whether that is so in every configured database."""
        databases = self._settings.databases
        return bool(databases) and all(self.administers(one.name, one.environment) for one in databases)

    def owns(self, owner: Owner) -> bool:
        """Whether the session is his own, or an agent's that acts for him."""
        return (owner.user, owner.issuer) == (self.who.user, self.who.issuer)

    def may_end(self, owner: Owner) -> bool:
        """Whether he may see the session, and end it."""
        return self.owns(owner) or self.administers(owner.database, owner.environment)
