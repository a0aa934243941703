"""Error and notice texts on their way to the client: what may quote a stored value goes, what tells of definitions stays."""

import re

from gateway.masking.basis import MaskBasis
from gateway.masking.looks import DISGUISING
from gateway.masking.scanned import scan_text
from gateway.masking.scanner import scanner

# SQLSTATE classes (manual, appendix A) in words, for messages that are withheld.
_CLASSES = {
    b"00": b"notice", b"01": b"warning", b"02": b"no data", b"08": b"connection exception",
    b"0A": b"feature not supported", b"21": b"cardinality violation", b"22": b"data exception",
    b"23": b"integrity constraint violation", b"25": b"invalid transaction state", b"26": b"invalid statement name",
    b"28": b"invalid authorization", b"2B": b"dependent privileges still exist", b"2F": b"SQL routine exception",
    b"34": b"invalid cursor name", b"38": b"external routine exception", b"39": b"external routine invocation exception",
    b"3B": b"savepoint exception", b"3D": b"invalid catalog name", b"3F": b"invalid schema name",
    b"40": b"transaction rollback", b"42": b"syntax error or access rule violation",
    b"44": b"WITH CHECK OPTION violation", b"53": b"insufficient resources", b"54": b"program limit exceeded",
    b"55": b"object not in prerequisite state", b"57": b"operator intervention", b"58": b"system error",
    b"P0": b"raised by a function", b"XX": b"internal error",
}  # fmt: skip
_WITHHELD = b" (the text is withheld: it may quote masked values)"

_NAME = rb'(?:"[^"]*"|[\w.$]+)'
_TYPE = rb"[\w ().,\[\]\"]+"

def _patterns(*patterns: bytes) -> re.Pattern[bytes]:
    return re.compile(b"|".join(one.replace(b"NAME", _NAME).replace(b"TYPE", _TYPE) for one in patterns))


# Messages whose names come from the catalogue, and those without names.
_OF_DEFINITIONS = _patterns(
    rb"permission denied(?: for [\w ]+ NAME| to [\w ]+)?",
    rb"must be (?:owner of [\w ]+ NAME|superuser[\w ]*)",
    rb"current transaction is aborted, commands ignored until end of transaction block",
    rb"there is (?:no|already a) transaction in progress",
    rb"[A-Z ]+ (?:can only be used in|cannot run inside) (?:a transaction block|transaction blocks)",
    rb"cannot execute [A-Z ]+ in a read-only transaction",
    rb"canceling (?:statement|autovacuum task) due to [\w ]+",
    rb"terminating connection due to [\w -]+",
    rb"deadlock detected",
    rb"could not serialize access due to [\w/ ]+",
    rb"could not obtain lock on (?:relation NAME|row in relation NAME)",
    rb"duplicate key value violates unique constraint NAME",
    rb"null value in column NAME(?: of relation NAME)? violates not-null constraint",
    rb"new row for relation NAME violates check constraint NAME",
    rb"new row violates row-level security policy(?: NAME)? for table NAME",
    rb"(?:insert or )?update or delete on table NAME violates foreign key constraint NAME on table NAME",
    rb"insert or update on table NAME violates foreign key constraint NAME",
    rb"conflicting key value violates exclusion constraint NAME",
    rb"value too long for type TYPE",
    rb"(?:smallint|integer|bigint) out of range",
    rb"numeric field overflow|division by zero",
    rb"more than one row returned by a subquery used as an expression",
    rb"(?:bind message supplies|prepared statement) [\w \",]+ parameters?,? [\w \",]+ requires \d+",
    rb"could not determine data type of parameter \$\d+",
    rb"cached plan must not change result type",
    rb"the database system is (?:shutting down|starting up|in recovery mode)",
    rb"sorry, too many clients already|out of shared memory|out of memory",
)
# Messages whose names come from a text: the client's own, or a value that was taken for a name ('x'::regclass).
_OF_TEXTS = _patterns(
    rb"(?:relation|column|table|view|materialized view|index|sequence|schema|database|role|type|function|trigger"
    rb"|constraint|cursor|portal|prepared statement|savepoint|extension|operator|collation|language|policy"
    rb"|publication|subscription|server|foreign table) NAME (?:does not exist|already exists)(?:, skipping)?",
    rb"column NAME of relation NAME (?:does not exist|already exists)(?:, skipping)?",
    rb"(?:function|procedure|aggregate|operator)(?: TYPE| [^'\x00]*) does not exist",
    rb"operator does not exist: [^'\x00]*",
    rb"(?:function|operator|column reference) [^'\x00]* is (?:ambiguous|not unique)",
    rb"(?:missing|invalid reference to) FROM-clause entry for table NAME",
    rb"table name NAME specified more than once",
    rb"must be member of role NAME",
    rb"syntax error (?:at or near \"[^\x00]*\"|at end of input)",
    rb"column NAME must appear in the GROUP BY clause or be used in an aggregate function",
    rb"aggregate functions are not allowed in [\w ]+",
    rb"argument of [\w ]+ must be type boolean, not type TYPE",
    rb"column NAME is of type TYPE but expression is of type TYPE",
    rb"[A-Z]+ types TYPE and TYPE cannot be matched",
    rb"each [A-Z]+ query must have the same number of columns",
    rb"INSERT has more (?:expressions than target columns|target columns than expressions)",
    rb"subquery must return only one column",
)
_WORD = re.compile(rb"[\w$]+")
# Words of those messages themselves, and of the types in them.
_SAID = frozenset(
    b"""relation column table view materialized index sequence schema database role type function procedure aggregate trigger
    constraint cursor portal prepared statement savepoint extension operator collation language policy publication
    subscription server foreign does not exist already exists skipping of is ambiguous unique text integer bigint smallint
    numeric character varying double precision real boolean date timestamp time with without zone interval json jsonb uuid
    name unknown record bytea oid""".split()
)
# The places in the server that name an object of the catalogue beside a message. A function's RAISE may put a value there.
_NAMERS = frozenset(
    b"""execMain.c execExpr.c execExprInterp.c execIndexing.c execPartition.c execUtils.c nbtinsert.c tuplesort.c
    tuplesortvariants.c ri_triggers.c domains.c heap.c tablecmds.c typecmds.c trigger.c indexcmds.c index.c rewriteHandler.c
    copyfrom.c copyfromparse.c parse_relation.c parse_utilcmd.c""".split()
)
_HINTS = re.compile(
    rb"No (?:function|operator|procedure|aggregate) matches the given name and argument types?\. "
    rb"You might need to add explicit type casts\."
    rb"|Perhaps you meant to reference the (?:column|table alias) " + _NAME + rb"\."
    rb"|There is an entry for table "
    + _NAME
    + rb", but it cannot be referenced from this part of the query\."
    rb"|You will need to rewrite or cast the expression\."
    rb"|See server log for query details\."
)
_WORDS = frozenset(b"MDHWq")  # may quote a value
_KEPT = frozenset(b"SVCPFLR")  # severity, SQLSTATE, position in the client's own text, the place in the server's source
_NAMES = frozenset(b"stcdn")  # schema, table, column, type, constraint


def _looked_through(fields: bytes, basis: MaskBasis) -> bytes:
    """The fields with what a scan finds in their words masked."""
    look = scanner(basis.shown)
    parts = [part for part in fields.partition(b"\0\0")[0].split(b"\0") if part]
    told = (part[:1] + scan_text(look, part[1:]) if part[0] in _WORDS else part for part in parts)
    return b"".join(part + b"\0" for part in told) + b"\0"


def scrub(fields: bytes, basis: MaskBasis) -> bytes:
    """The body of an ErrorResponse or NoticeResponse as this principal may read it. Takes any bytes; what is not understood
    is dropped.

    DETAIL, CONTEXT and inner queries go (they quote rows, keys and functions' variables); a message stays only where
    it is one of the server's own that quote no value, and was not raised inside a function. Names stay where the server, and
    not a function, tells them. Where nothing has a hidden label, but cells were met that nobody proved clean, the words are
    looked through as such cells are.
    """
    if basis.inert and not basis.unproven:
        return fields
    if basis.inert and not basis.calls(DISGUISING):
        return _looked_through(fields, basis)
    parts = [part for part in fields.partition(b"\0\0")[0].split(b"\0") if part]
    by_letter = {part[0]: part[1:] for part in parts}
    inside = 87 in by_letter or 113 in by_letter  # W, q
    namer = by_letter.get(70, b"").rpartition(b"/")[2] in _NAMERS  # F
    kept: list[bytes] = []
    for part in parts:
        letter, text = part[0], part[1:]
        if letter == 77:  # M
            known = not inside and _quotes_no_value(text, 80 in by_letter, basis)  # P
            state = by_letter.get(67, b"")[:2]  # C
            kept.append(part if known else b"M" + _CLASSES.get(state, b"the server's report") + _WITHHELD)
        elif letter == 72:  # H
            if not inside and _HINTS.fullmatch(text):
                kept.append(part)
        elif letter in _KEPT or (letter in _NAMES and namer):
            kept.append(part)
    return b"".join(part + b"\0" for part in kept) + b"\0"


def _quotes_no_value(message: bytes, placed: bool, basis: MaskBasis) -> bool:
    """Whether a message that no function raised is free of stored values. `placed`: it has a place in the client's text, so
    it was said while that was read, before any value was."""
    if _OF_DEFINITIONS.fullmatch(message):
        return True
    if not _OF_TEXTS.fullmatch(message):
        return False
    if placed:
        return True
    own = set(_WORD.findall(basis.facts.shape.lower().encode())) | _SAID
    return all(word in own for word in _WORD.findall(message.lower()))
