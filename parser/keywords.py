"""PostgreSQL's keywords by what they may not be (manual, appendix C; versions 13 to 18).

A keyword here counts only where it is written bare: quoted it is a name like any other.
"""


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


RESERVED = word_set(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
    current_catalog current_date current_role current_time current_timestamp current_user default deferrable
    desc distinct do else end except false fetch for foreign from grant group having in initially intersect into
    lateral leading limit localtime localtimestamp not null offset on only or order placing primary references
    returning select session_user some symmetric system_user table then to trailing true union unique user using
    variadic when where window with
    """
)

# May name a function or a type, never a column or a table.
FUNCTION_ONLY = word_set(
    """
    authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left
    like natural notnull outer overlaps right similar tablesample verbose
    """
)

NOT_A_NAME = RESERVED | FUNCTION_ONLY

# Values that are written as one word; some take a precision in parentheses behind them.
CONSTANTS = word_set(
    """
    null true false default current_date current_time current_timestamp localtime localtimestamp current_user
    session_user user current_role current_catalog current_schema system_user
    """
)

# Stand before an operand and change nothing for us.
BEFORE_OPERAND = word_set(
    """
    not case when distinct all any some variadic both leading trailing symmetric
    """
)

# Stand behind an operand; an operand follows.
BETWEEN_OPERANDS = word_set(
    """
    and or like ilike to between in from for escape zone when then else using placing
    overlaps with without time where
    """
)

# Stand behind an operand; the expression may end there.
AFTER_OPERAND = word_set(
    """
    isnull notnull end asc desc nulls first last local year month day hour minute second varying precision
    """
)

# What follows IS.
PREDICATES = word_set(
    """
    not null true false unknown document normalized nfc nfd nfkc nfkd json object array scalar value with
    without unique keys
    """
)

QUERY_STARTS = frozenset(("select", "with", "values", "table"))
SET_OPERATIONS = frozenset(("union", "intersect", "except"))

# Grammar that looks like a call: these are no functions in the catalogue.
SYNTAX_CALLS = word_set(
    """
    coalesce nullif greatest least cast treat grouping row array exists any some all in not and or xmlconcat
    xmlelement xmlforest xmlparse xmlpi xmlroot xmlserialize xmlattributes xmlnamespaces json_object json_array
    json_scalar json_serialize json_query json_value json_objectagg json_arrayagg trim merge_action values
    rollup cube sets json xmlexists json_exists
    """
)

# Calls with a grammar of their own inside; what comes out of them is not followed.
FREE_GRAMMAR_CALLS = word_set(
    """
    xmlconcat xmlelement xmlforest xmlparse xmlpi xmlroot xmlserialize xmlexists json_object json_array
    json_scalar json_serialize json_query json_value json_objectagg json_arrayagg json_exists json
    """
)
