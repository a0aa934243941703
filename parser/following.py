"""Reading the body of a function LANGUAGE sql, so that a call of it can be followed (parser.known.Body)."""

from parser.facts import Facts, Output
from parser.known import Body, Known
from parser.statements import read

_FOLLOWED = frozenset(("read", "write"))  # what a body may do for its calls to be understood


def follow(sql: bytes, parameters: tuple[str, ...], known: Known, *, bound: bool) -> Body | None:
    """What a call of the function does besides taking its arguments in; None where its body was not read completely.

    `parameters`: the function's own name, then its parameters'. `bound`: relations were looked up when it was made, so the
    session of a call cannot shadow them. A body that the two readings of string literals cut differently has no one
    meaning.
    """
    statements = read(sql, known=known, parameters=parameters)
    if b"\\" in sql:
        other = read(sql, standard_conforming_strings=False, known=known, parameters=parameters)
        if other != statements:
            return None
    if not all(_plain(facts) for facts in statements):
        return None
    last = statements[-1].outputs if statements else ()
    outputs = (Output(opaque=True),) if last is None else last
    relations = [relation for facts in statements for relation in (*facts.reads, *facts.writes)]
    return Body(
        kinds=tuple(dict.fromkeys(kind for facts in statements for kind in facts.kinds)),
        changes=sum(facts.changes for facts in statements),
        unfiltered=any(facts.unfiltered for facts in statements),
        effects=frozenset(effect for facts in statements for effect in facts.effects),
        reads=tuple(dict.fromkeys(relation for facts in statements for relation in facts.reads)),
        writes=tuple(dict.fromkeys(relation for facts in statements for relation in facts.writes)),
        functions=frozenset(call for facts in statements for call in facts.functions),
        columns_read=frozenset(column for facts in statements for column in facts.columns_read),
        outputs=outputs,
        uses=tuple(dict.fromkeys(use for facts in statements for use in facts.uses)),
        stored=tuple(one for facts in statements for one in facts.stored),
        relies=frozenset() if bound else frozenset(relation.name for relation in relations),
    )


def _plain(facts: Facts) -> bool:
    """Whether it is a statement that reads or changes rows and nothing else."""
    return facts.complete and facts.effects <= _FOLLOWED and not facts.settings and not facts.creates
