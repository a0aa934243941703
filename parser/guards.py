"""What in a result column tells of values by more than the column itself, which is masked: by failing, by taking its
time, by the number of rows, or by counting.

Each of these gives the end of a stretch of tokens (the last one that belongs to it), -1 for none: columns in it count as put
to the test (parser.probes).
"""

from parser.keywords import word_set
from parser.reading import Reading
from parser.references import type_end
from parser.tokens import Kind

# Any value becomes one of these without an error.
_NEVER_FAILS = word_set("text varchar character char bpchar citext name national nchar")
# No number or time is too large for these, but for the narrower ones among them.
_WIDE = word_set("int integer int4 bigint int8 numeric decimal float float8 double date timestamp timestamptz")
_DIVIDES = frozenset(("/", "%"))
# Whether these fail, how long they take, or how many rows they make depends on the value.
_TELLING = word_set(
    """
    pg_sleep pg_sleep_for pg_sleep_until generate_series generate_subscripts unnest regexp_split_to_table string_to_table
    regexp_matches json_array_elements jsonb_array_elements json_array_elements_text jsonb_array_elements_text json_each
    jsonb_each json_each_text jsonb_each_text json_object_keys jsonb_object_keys jsonb_path_query json_populate_recordset
    jsonb_populate_recordset json_to_recordset jsonb_to_recordset
    ln log log10 sqrt power exp div mod gcd lcm factorial width_bucket asin acos atanh acosh chr repeat
    to_date to_timestamp to_number make_date make_time make_timestamp make_timestamptz make_interval decode convert_from
    convert convert_to set_byte get_byte set_bit get_bit array_fill pg_input_error_info setseed xmlparse json_populate_record
    jsonb_populate_record json_to_record jsonb_to_record jsonb_set jsonb_insert to_regclass parse_ident xpath
    int2 int4 int8 float4 float8 numeric money bool date time timetz timestamp timestamptz interval inet cidr macaddr uuid
    json jsonb xml bit varbit bytea point box circle path polygon line lseg tsvector tsquery to_tsquery oid regclass regtype
    regproc regrole regnamespace int4range int8range numrange daterange tsrange tstzrange
    pg_advisory_lock pg_advisory_xact_lock pg_try_advisory_lock pg_try_advisory_xact_lock pg_advisory_lock_shared
    pg_advisory_xact_lock_shared pg_try_advisory_lock_shared pg_try_advisory_xact_lock_shared pg_advisory_unlock nextval
    setval lastval currval
    """
)
_LAZY = frozenset(("coalesce", "and", "or"))  # leave out what comes later
_COMPARES_PATTERN = frozenset(("~", "~*", "!~", "!~*"))


def condition_end(r: Reading, at: int) -> int:
    """The THEN behind a WHEN, or the first WHEN behind a CASE with a subject."""
    word, match = r.words.word, r.words.match
    if word[at] == "case" and word[at + 1] == "when":
        return -1
    wanted = "when" if word[at] == "case" else "then"
    cases = 0
    at += 1
    while word[at]:
        w = word[at]
        if w == "(" or w == "[":
            at = match[at]
        elif not cases and w == wanted:
            return at
        else:
            cases += (w == "case") - (w == "end")
        at += 1
    return at


def divisor_end(r: Reading, at: int) -> int:
    """The operand behind a division; stands at the operator."""
    words = r.words
    word = words.word
    if word[at] not in _DIVIDES:
        return -1
    at += 1
    while words.kind[at] is Kind.OPERATOR or word[at] in ("+", "-"):
        at += 1
    return _operand_end(r, at)


def _operand_end(r: Reading, at: int) -> int:
    words = r.words
    word, match = words.word, words.match
    if word[at] == "case":
        return _case_end(r, at)
    if words.named[at]:
        _, behind = r.name(at)
        at = match[behind] if word[behind] == "(" else behind - 1
    elif word[at] == "(":
        at = match[at]
    while word[at + 1] == "[":
        at = match[at + 1]
    return at


def _case_end(r: Reading, at: int) -> int:
    word, match = r.words.word, r.words.match
    cases = 0
    while word[at]:
        w = word[at]
        if w == "(" or w == "[":
            at = match[at]
        cases += (w == "case") - (w == "end")
        if not cases:
            break
        at += 1
    return at


def cast_end(r: Reading, at: int) -> int:
    """The operand at a token (a bracket, a call, CASE) when a cast that may fail stands behind it; CAST (… AS …) itself."""
    words = r.words
    word, match = words.word, words.match
    if word[at] == "cast" and word[at + 1] == "(":
        close = match[at + 1]
        kind = r.find(frozenset(("as",)), at + 2, close)
        return close if word[kind + 1] not in _NEVER_FAILS else -1
    end = _operand_end(r, at)
    while word[end + 1] == "." and words.named[end + 2]:
        end += 2
    return end if fails(r, end + 1) else -1


def fails(r: Reading, at: int) -> bool:
    """Whether one of the casts at a token may fail. A type of several words ends the look: it counts by its first one."""
    word = r.words.word
    while word[at] == "::":
        if word[at + 1] not in _NEVER_FAILS:
            return True
        at = type_end(r, at + 1)
    return False


def castable(r: Reading, at: int) -> bool:
    """Whether what stands at a token is one cast to a wide type: whether it may fail is told by the column's own type."""
    word = r.words.word
    if word[at] != "::" or word[at + 1] not in _WIDE:
        return False
    end = type_end(r, at + 1)
    return word[end] != "::" and "(" not in word[at:end]


def telling_end(r: Reading, schema: str | None, name: str, opening: int) -> int:
    """The arguments of a call that tells of them by failing, waiting or by the number of rows it makes."""
    telling = name in _TELLING
    if not telling and r.known is not None:
        telling = any(one.returns_set for one in r.known.routines(schema, name))
    return r.words.match[opening] if telling else -1


def counted_plainly(r: Reading, opening: int) -> bool:
    """count(*), count([DISTINCT] column)."""
    words = r.words
    word, close = words.word, words.match[opening]
    at = opening + 1
    at += word[at] in ("distinct", "all")
    if word[at] == "*" or not words.named[at]:
        return at + 1 >= close
    _, behind = r.name(at)
    return behind == close or (word[behind] == "." and word[behind + 1] == "*" and behind + 2 == close)


def chosen_late(r: Reading, start: int, end: int) -> int:
    """The whole expression when it may leave out a part that would fail or wait, depending on what comes before it."""
    words = r.words
    word = words.word
    if _LAZY.isdisjoint(word[start:end]):
        return -1
    for at in range(start, end):
        w = word[at]
        if w in _DIVIDES:
            if words.kind[at + 1] not in (Kind.INTEGER, Kind.NUMERIC):
                return end
        elif w == "::":
            if word[at + 1] not in _NEVER_FAILS and word[at - 1] not in ("'", "0", "$"):
                return end
        elif w in _COMPARES_PATTERN or (w in _TELLING and word[at + 1] == "(") or w == "cast":
            return end
    return -1
