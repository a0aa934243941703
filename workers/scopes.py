"""The scopes of a worker's sessions: one for all that are decided alike, and never too many."""

from gateway.audit.literals import Literals
from gateway.classify.catalog import Catalog
from gateway.classify.own import NOTHING, Own
from gateway.masking.key_sets import Digester
from gateway.masking.row_keys import Accounting
from gateway.policy.table import PolicyTable, Rights
from gateway.scope import Scope
from workers.catalogs import Catalogs
from workers.slot import Slot

SCOPES_MAX = 1024


class Scopes:
    """See the module. A scope that is forgotten is stale: its sessions ask again."""

    def __init__(self, slot: Slot, catalogs: Catalogs) -> None:
        self._catalogs = catalogs
        self._mask_key = slot.secrets.mask_key
        self._accounting = Accounting(Digester(slot.secrets.digest_key), slot.settings.audit.row_keys)
        self._literals = Literals(slot.secrets.digest_key)
        self._settings = slot.settings
        self._scopes: dict[tuple[object, ...], Scope] = {}
        self.table: PolicyTable
        self.generation = 0

    def __len__(self) -> int:
        return len(self._scopes)

    def adopt(self, table: PolicyTable, generation: int) -> None:
        """From now on they are made for this policy."""
        self.table = table
        self.generation = generation
        for scope in self._scopes.values():
            scope.stale = True
        self._scopes.clear()

    def catalog_renewed(self, name: str) -> None:
        """Those made for the old catalogue of this database are asked for anew."""
        for key, scope in list(self._scopes.items()):
            if scope.rights.database == name:
                scope.stale = True
                del self._scopes[key]

    def of(
        self,
        rights: Rights,
        *,
        conforming: bool = True,
        made: frozenset[str] = frozenset(),
        own: Own = NOTHING,
        moved: frozenset[str] = frozenset(),
        path: tuple[str, ...] | None = None,
    ) -> Scope:
        catalog = self._catalogs.get(rights.database)
        if catalog is None:  # forgotten since: nothing is known of any table
            catalog = Catalog(0, {}, {}, {})
        key = (rights.key, rights.database, catalog.version, conforming, made, own, moved, path)
        scope = self._scopes.get(key)
        if scope is None:
            if len(self._scopes) >= SCOPES_MAX:
                self._scopes.pop(next(iter(self._scopes))).stale = True
            database = self._settings.database(rights.database)
            scope = Scope(
                rights,
                catalog,
                self.table.digest,
                mask_key=self._mask_key,
                accounting=self._accounting,
                strings_conform=conforming,
                made=made,
                own=own,
                moved=moved,
                search_path=path,
                literals=self._literals,
                pooled=database is not None and database.pool == "transaction",
            )
            scope.stale = rights.generation != self.generation  # a policy came into force during the sign-in
            self._scopes[key] = scope
        return scope
