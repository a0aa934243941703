"""The caches of one scope: what the policy says of each statement text, decided once and remembered.

A scope is one set of rights under one policy generation and one catalogue version, with one reading of string
literals. Nothing in it is ever changed into another answer: when the policy or the catalogue moves, `stale` is set
and sessions ask for a new scope.
"""

from dataclasses import dataclass, field, replace

from gateway.audit.cards import changed, ruling_card
from gateway.audit.declared import declared as on_record
from gateway.audit.defined import RulingCard
from gateway.audit.literals import Literals
from gateway.audit.records import Declared, Tags
from gateway.classify.catalog import Catalog
from gateway.classify.learned import EVERY, Learned
from gateway.classify.own import NOTHING, Own
from gateway.classify.resolver import Resolver
from gateway.errors import Refused
from gateway.identity import on_hold
from gateway.identity.declaration import SETTING, TAG_PREFIX, Declaration, combined, following, of_tags
from gateway.masking import plan
from gateway.masking.added_keys import Addition, addition, split
from gateway.masking.basis import MaskBasis, basis, moved_names, relabelled
from gateway.masking.groups import Group, groups
from gateway.masking.inference import inferred
from gateway.masking.notifications import Listening
from gateway.masking.row_keys import Accounting, changes, concerns
from gateway.masking.stores import kept_aside
from gateway.masking.travels import is_blind, learned
from gateway.policy.affected import runs
from gateway.policy.decide import decide
from gateway.policy.decision import NO_LIMITS, Decision, deferred, denied, refusal
from gateway.policy.lasting import lasting
from gateway.policy.pooled import carried
from gateway.policy.table import Rights
from gateway.results import ResultPlan, result
from parser.compared import Comparisons, compared
from parser.errors import ProtocolError
from parser.facts import Column, Facts, Output
from parser.quick import look
from parser.statements import read

ENTRIES_MAX = 4096  # cached texts in each cache; a full cache starts anew
TEXT_BYTES_MAX = 16384  # longer texts are read anew each time
PLANS_MAX = 64  # row descriptions remembered for one statement
DECLARED_MAX = 64  # declarations under which one text is remembered

_NAMING = frozenset({"search_path", "role", "session_authorization", "*"})
_LEXING = frozenset({"standard_conforming_strings", "client_encoding", "names", SETTING, on_hold.SETTING}) | _NAMING
_READS = frozenset({"read"})
_ROWS_ALONE = frozenset({"read", "write"})  # effects that leave it alone what names mean
_COMPILED = frozenset({"internal", "c"})  # only a superuser makes such functions


@dataclass(slots=True)
class Ruling:
    """One statement of a text as this scope sees it: decision, masks and the audit's card."""

    facts: Facts
    decision: Decision
    basis: MaskBasis
    copy: ResultPlan | None
    card: RulingCard
    refused: Refused | None
    tags: Tags | None  # what the audit keeps of the text's comments
    moves_path: bool  # once it has run, unqualified names may mean something else
    plain: bool  # it may run as it is: nothing limits it, waits for an estimate, warns, or moves what names mean
    only_reads: bool  # nothing of the session is another when it has run
    learns: tuple[Learned, ...] = ()  # labels that other columns get when it runs
    blind: bool = False  # … and those of the catalogue of now would be better ones
    groups: tuple[Group, ...] = ()  # aggregates that may be shown where the text sent keeps small groups back
    accounted: bool = False  # its rows may hold keys that are recorded
    owes_keys: tuple[str, ...] = ()  # tables of which the keys of the rows that it changes are wanted
    adds: Addition | None = None  # what is put behind it to have them,
    keeps_no_keys: str = ""  # or why that cannot be
    said: Declaration | None = None  # what the session had declared before it
    declared: Declared | None = None  # that, with what the statement declares itself, as the audit keeps it
    changes: tuple[str, ...] = ()  # tables whose rows it changes; the command tag counts those of the first,
    counted: bool = False  # where it does
    lasting: bool = False  # the server's session may keep something of it for ever
    _plans: dict[bytes, ResultPlan] = field(default_factory=dict)

    def affected(self, rows: int) -> tuple[tuple[str, int], ...] | None:
        """Rows changed by table once the command tag says `rows`; -1 where nothing tells. None: it changes none."""
        if not self.changes:
            return None
        told = [(table, -1) for table in self.changes]
        if self.counted:
            told[0] = (self.changes[0], rows)
        return tuple(told)

    def plan(self, row_description: bytes, sent: tuple[Group, ...] = ()) -> ResultPlan:
        """The masks for a result with this RowDescription (the message's body). `sent`: the groups that the text which the
        server has was guarded for; others than those of now count for nothing."""
        if self.basis.catalog.newer is not None:
            self.renew()
        guarded = bool(sent) and sent == self.groups
        key = b"guarded" + row_description if guarded else row_description  # no description begins like this
        known = self._plans.get(key)
        if known is None:
            own, added = split(row_description) if "write" in self.facts.effects else (row_description, 0)
            rows = plan.rows(own, self.basis, self.groups if guarded else ())
            known = result(rows, self.basis, row_description, added)
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            self._plans[key] = known
        return known

    def renew(self) -> None:
        """Takes in the labels that columns have learned since: rows may pass that were copied there meanwhile."""
        catalog = self.basis.catalog
        while catalog.newer is not None:
            catalog = catalog.newer
        self.basis = relabelled(self.basis, catalog)
        self._plans.clear()
        if self.copy is not None:
            planned = plan.copy_out(self.facts, self.basis)
            if isinstance(planned, Refused):
                raise ProtocolError("columns of a COPY that runs have become masked, and it cannot be")
            self.copy = result(planned, self.basis)


@dataclass(slots=True)
class Script:
    """A whole statement text: its rulings in order and what follows from them for the session."""

    rulings: tuple[Ruling, ...]
    refused: Refused | None  # the first refusal: one refused statement stops the whole text
    named: bool  # holds a statement that makes, runs or ends a named thing
    unsettling: bool  # later texts cannot be read until this one is answered
    takes_copy: bool  # COPY … FROM STDIN
    plain: bool  # all of its statements are
    said: Declaration | None = None  # what the session had declared before it
    literals: tuple[bytes, ...] | None = None  # the digests of each statement's; None: texts of its key differ in them
    literal_counts: list[int] | None = None  # of each statement; None where there are none at all
    base: "Script | None" = None  # the same where nothing was declared before
    _declared: dict[Declaration, "Script"] = field(default_factory=dict)


class Scope:
    """See the module. `policy_hash` and the generation in `rights` name the policy in every record."""

    __slots__ = (
        "_accounting", "_by_key", "_by_text", "_known", "_listening", "_literals", "_looked", "_mask_key", "_own",
        "_pooled", "_resolved", "catalog", "made", "moved", "own", "policy_hash", "rights", "search_path", "stale",
        "strings_conform",
    )  # fmt: skip

    def __init__(
        self,
        rights: Rights,
        catalog: Catalog,
        policy_hash: str,
        *,
        mask_key: bytes = b"",
        strings_conform: bool = True,
        made: frozenset[str] = frozenset(),
        own: Own = NOTHING,
        moved: frozenset[str] = frozenset(),
        search_path: tuple[str, ...] | None = None,
        accounting: Accounting | None = None,
        literals: Literals | None = None,
        pooled: bool = False,
    ) -> None:
        self.rights = rights
        self.catalog = catalog
        self.policy_hash = policy_hash
        self.made = made  # bare names of relations that the session made itself
        self.own = own  # the session's temporary relations
        # Where the path is not known, or names pg_temp itself, another relation may come before the session's own.
        first = search_path is not None and "pg_temp" not in search_path
        self._own = own if first else own.uncertain()
        self.moved = moved  # names of what the session defined or changed since the catalogue was read
        self.search_path = search_path  # None: not known
        self._known = Resolver(catalog, search_path, made, moved)
        self.stale = False
        self._mask_key = mask_key
        self._accounting = accounting
        self._literals = literals  # None: nothing is kept of them
        self._pooled = pooled  # a session has its connection for one transaction
        self.strings_conform = strings_conform
        self._by_key: dict[bytes, Script] = {}
        self._by_text: dict[bytes, Script] = {}
        self._looked: tuple[bytes, list[bytes]] | None = None  # the text looked at last, and its literals
        self._resolved: dict[tuple[object, ...], tuple[Facts, Ruling]] = {}
        self._listening: Listening | None = None

    def script(self, sql: bytes) -> Script:
        """The rulings over a statement text (no terminating NUL). Never raises on a peer's bytes."""
        known = self._by_text.get(sql)
        if known is not None:
            return known
        looked = look(sql) if self.strings_conform and len(sql) <= TEXT_BYTES_MAX else None
        key = None
        if looked is not None:
            key = looked[0]
            self._looked = sql, looked[1]
            known = self._by_key.get(key)
            if known is not None:
                return known
        facts = read(sql, standard_conforming_strings=self.strings_conform, known=self._known)
        script = self.script_of(facts)
        if key is not None and key != sql and not any(one.by_value for one in facts):
            self._remember(self._by_key, key, script)
            return script
        if self._literals is not None:
            script.literals = tuple([self._literals.of(one.literals) for one in facts])
        if len(sql) <= TEXT_BYTES_MAX:
            self._remember(self._by_text, sql, script)
        return script

    def literals(self, script: Script, sql: bytes) -> tuple[bytes, ...]:
        """The digests of the literals of each statement in a text with these rulings; () where none are kept."""
        known = script.literals
        if known is not None:
            return known
        if self._literals is None:
            return ()
        counts = script.literal_counts
        if counts is None:
            return ()
        written = self._looked
        if written is None or written[0] is not sql:
            looked = look(sql)
            written = (sql, looked[1]) if looked is not None else None
        found = self._literals.of_text(written[1], counts) if written is not None else None
        if found is None:
            facts = read(sql, standard_conforming_strings=self.strings_conform)
            found = tuple([self._literals.of(one.literals) for one in facts])
        return found

    def parameters(self, values: bytes, types: bytes, described: bytes) -> bytes:
        """The digests of a Bind's parameters; see Literals.of_parameters."""
        return self._literals.of_parameters(values, types, described) if self._literals is not None else b""

    def declaring(self, script: Script, said: Declaration | None) -> Script:
        """The rulings over the same text where this was declared before it."""
        base = script if script.base is None else script.base
        if said is None:
            return base
        known = base._declared.get(said)
        if known is None:
            known = self.script_of(tuple([ruling.facts for ruling in base.rulings]), said)
            known.base, known.literals = base, base.literals
            if len(base._declared) >= DECLARED_MAX:
                base._declared.clear()
            base._declared[said] = known
        return known

    def heard(self, notification: bytes) -> bytes | None:
        """A NotificationResponse as the principal may have it; None: as it is."""
        if self._listening is None:
            nothing = Facts(kinds=(), effects=frozenset())
            self._listening = Listening(basis(nothing, self.rights, self.catalog))
        return self._listening.heard(notification)

    def unread(self, reason: str, shape: str) -> Script:
        """The rulings over something whose effects cannot be read: the worst it could be."""
        facts = Facts(
            kinds=("UNKNOWN",),
            effects=frozenset({"read", "write", "ddl", "privilege", "session", "unsafe-io", "procedural"}),
            complete=False,
            reason=reason,
            shape=shape,
        )
        return self.script_of((facts,))

    def resolve(self, outer: Facts, inner: Facts, said: Declaration | None = None) -> Ruling:
        """The ruling over EXECUTE or FETCH (`outer`) of a statement known by name (`inner`)."""
        key = (outer.shape, id(inner), outer.tags, said)
        held = self._resolved.get(key)
        if held is None:
            runs = outer.named is not None and outer.named.action == "execute"
            inner_now = self.again(inner) if runs else inner
            plain = inner.named is None and not inner.settings and not inner.creates
            facts = replace(
                inner_now,
                kinds=outer.kinds + inner_now.kinds,
                effects=(outer.effects - {"procedural"}) | inner_now.effects,  # what it runs is known now
                functions=outer.functions | inner_now.functions,
                named=outer.named,
                creates=outer.creates + inner_now.creates,
                stored=inner_now.stored + _made_of(outer, inner_now),
                complete=outer.complete and inner_now.complete and plain,
                reason=outer.reason or inner_now.reason or ("" if plain else "it runs by name what changes the session"),
                shape=f"{outer.shape} -- {inner_now.shape}",
                tags=outer.tags,
            )
            if len(self._resolved) >= ENTRIES_MAX:
                self._resolved.clear()
            held = self._resolved[key] = (inner, self._alone(facts, None, said))  # holding `inner` keeps its id its own
        return held[1]

    def again(self, facts: Facts) -> Facts:
        """The facts of a statement that PREPARE held, as its names are understood here: the server looks them up anew.

        A cursor is another thing: what it reads was settled when it was declared.
        """
        if not facts.text:
            return facts
        read_anew = read(facts.text, standard_conforming_strings=facts.strings_conform, known=self._known)
        return replace(read_anew[0], text=facts.text, strings_conform=facts.strings_conform)

    def comparisons(self, sql: bytes, facts: tuple[Facts, ...]) -> tuple[Comparisons, ...] | None:
        """What a text, of which these facts were read here, compares for equality with columns. See parser.compared."""
        return compared(sql, facts, standard_conforming_strings=self.strings_conform, known=self._known)

    def estimated(self, ruling: Ruling, rows: int) -> Ruling:
        """The ruling once the planner's estimate of the statement's rows is known."""
        return self._alone(ruling.facts, rows, ruling.said)

    def _remember(self, cache: dict[bytes, Script], key: bytes, script: Script) -> None:
        if len(cache) >= ENTRIES_MAX:
            cache.clear()
        cache[key] = script

    def script_of(self, statements: tuple[Facts, ...], said: Declaration | None = None) -> Script:
        """The rulings over statements already read, where this was declared before them."""
        rulings = []
        before = said
        made, moved, own = self.made, self.moved, self._own
        ahead: tuple[Learned, ...] = ()  # what earlier statements of the text bring to other columns
        for facts in statements:
            ruling = self._rule(facts, None, made, moved, own, ahead, said)
            rulings.append(ruling)
            if facts.settings:
                said = following(facts, said)
            ahead += ruling.learns
            # What the statements behind it in the same text find when it has run:
            made |= {relation.name for relation in facts.creates}
            if "ddl" in facts.effects:
                moved |= moved_names(facts)
            if not facts.complete or not facts.effects <= _ROWS_ALONE or _moves_path(facts, self.catalog):
                own = own.uncertain()
            elif "write" in facts.effects:
                own = own._replace(clean=frozenset())
        counts = [facts.literal_count for facts in statements]
        return Script(
            rulings=tuple(rulings),
            literal_counts=counts if any(counts) else None,
            refused=refusal([ruling.decision for ruling in rulings]),
            named=any(facts.named is not None for facts in statements),
            unsettling=any(_unsettles(facts) or (self._pooled and facts.settings) for facts in statements),
            takes_copy=any(facts.copy is not None and facts.copy.target == "stdin" for facts in statements),
            plain=all(ruling.plain for ruling in rulings),
            said=before,
        )

    def _alone(self, facts: Facts, rows: int | None = None, said: Declaration | None = None) -> Ruling:
        """The ruling over the only statement of its text."""
        return self._rule(facts, rows, self.made, self.moved, self._own, (), said)

    def _decide(self, facts: Facts, rows: int | None, own: Own, intent: Declaration | None) -> Decision:
        decision = decide(facts, self.rights, self.catalog, rows, own.names, intent)
        if facts.named is not None and facts.named.action == "prepare":
            decision = deferred(decision)
        return carried(decision, facts, self.catalog) if self._pooled else decision

    def _rule(
        self,
        facts: Facts,
        rows: int | None,
        made: frozenset[str],
        moved: frozenset[str],
        own: Own,
        ahead: tuple[Learned, ...] = (),
        said: Declaration | None = None,
    ) -> Ruling:
        intent = combined(of_tags(facts.tags), said) if facts.tags else said
        decision = self._decide(facts, rows, own, intent)
        masks = basis(
            facts, self.rights, self.catalog, key=self._mask_key, made=made, own=own, moved=moved,
            accounting=self._accounting,
        )  # fmt: skip
        refused, copy = decision.refused if decision.hold is None else None, None
        if refused is None:
            refused = kept_aside(facts, masks)
            if refused is None and facts.copy is not None and facts.copy.target == "stdout":
                planned = plan.copy_out(facts, masks)
                if isinstance(planned, Refused):
                    refused = planned
                else:
                    copy = result(planned, masks)
            guesses = inferred(facts, masks, self.rights) if refused is None else ()
            if isinstance(guesses, Refused):
                refused = guesses
            elif guesses:
                decision = replace(decision, limits=replace(decision.limits, guesses=guesses))
            if refused is not None:
                decision = denied(decision, refused)
        card = ruling_card(facts, decision, self.rights, self.catalog, self.policy_hash)
        moves = _moves_path(facts, self.catalog)
        owed = changes(masks) if runs(facts) else ()
        adds, keeps_no_keys = addition(masks, owed)
        plain = (
            adds is None
            and decision.verdict == "allow"
            and decision.limits is NO_LIMITS
            and not (decision.wants_estimate or decision.loops)
            and not moves
            and facts.named is None
            and not facts.kinds[0].startswith("ROLLBACK")
        )
        brings = facts.stored or "ddl" in facts.effects
        learns = learned(facts, masks, ahead) if refused is None and brings else ()
        blind = bool(brings) and is_blind(facts, masks, learns)
        chosen = groups(masks, self.rights) if facts.grouped is not None else ()
        ruling = Ruling(
            facts, decision, masks, copy, card, decision.refused, None, moves, plain, facts.effects == _READS, learns, blind,
            chosen, concerns(masks), owed, adds, keeps_no_keys, said, lasting=lasting(facts, self.catalog),
        )
        if facts.tags:
            ruling.tags = tuple(pair for pair in facts.tags if not pair[0].startswith(TAG_PREFIX)) or None
        if intent is not None:
            ruling.declared = on_record(intent, decision.mismatch)
        if facts.writes and "write" in facts.effects and runs(facts):
            ruling.changes, ruling.counted = changed(facts, self.catalog)
        return ruling


def _made_of(outer: Facts, inner: Facts) -> tuple[tuple[Column, Output], ...]:
    """What CREATE TABLE … AS EXECUTE stores."""
    if outer.kinds[0] != "CREATE TABLE AS":
        return ()
    outputs = inner.outputs if inner.outputs is not None else (Output(inner.columns_read, opaque=True),)
    carrying = (out for out in outputs if out.columns or out.opaque)
    return tuple((Column(made, EVERY), out) for made in outer.creates for out in carrying)


def _moves_path(facts: Facts, catalog: Catalog) -> bool:
    """Whether the statement may change the session's search_path, or the role that "$user" stands for. A function of
    somebody's own may do so with set_config."""
    if not facts.complete or "procedural" in facts.effects:
        return True
    if any(setting.name in _NAMING for setting in facts.settings):
        return True
    return any(
        not one.builtin and one.language not in _COMPILED
        for _, name in facts.functions
        for one in catalog.functions.get(name, ())
    )


def _unsettles(facts: Facts) -> bool:
    if facts.named is not None:
        return facts.named.action not in ("execute", "fetch")
    if facts.effects & {"ddl", "procedural"} or not facts.complete:
        return True
    return any(setting.name in _LEXING for setting in facts.settings)
