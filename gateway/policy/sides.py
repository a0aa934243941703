"""What the grants of several sides allow together: a person's, and those of each agent of the chain that acts for him.

A side is what its grants add up to; a session has what all of its sides have. So nobody's agent can do more than he could,
and no agent more than each one before it in the chain.
"""

from collections.abc import Iterable, Sequence

from gateway.errors import Refusal, Refused, State
from gateway.identity.principal import Principal
from gateway.policy.rules import Grant

Side = tuple[Grant, ...]

ALL = "all"
ANY = "*"
_ORDER = ("read", "write", "ddl", "admin", ALL)
_NO_PAIRS: frozenset[tuple[str, str]] = frozenset()


def words(sides: Sequence[Iterable[Grant]]) -> frozenset[str]:
    """The words that every side allows; "all" covers each of them."""
    allowed = [frozenset([word for one in side for word in one.allow]) for side in sides]
    if len(allowed) == 1:
        return allowed[0]
    bounded = [each for each in allowed if ALL not in each]
    return frozenset.intersection(*bounded) if bounded else frozenset((ALL,))


def unmasked(sides: Sequence[Side]) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """What every side sees in clear: labels and columns ("*" for all), and columns as long as they carry one label,
    which one side is granted by its name and another by the label."""
    targets = [frozenset([target for one in side for target in one.unmask]) for side in sides]
    if len(targets) == 1:
        return targets[0], _NO_PAIRS
    bounded = [each for each in targets if ANY not in each]
    if not bounded:
        return frozenset((ANY,)), _NO_PAIRS
    alike = frozenset.intersection(*bounded)
    pairs: set[tuple[str, str]] = set()
    for target in frozenset.union(*bounded) - alike:
        if "." in target:
            labels = frozenset.intersection(*(each for each in bounded if target not in each))
            pairs.update((target, label) for label in labels if "." not in label)
    return alike, frozenset(pairs)


def role(sides: Sequence[Side], wanted: str | None, who: Principal, database: str) -> str | None:
    """The upstream role that all sides may have, None for the database's own user; `wanted` "" asks for
    that.

    A side may have the roles that its grants name; where one of them names none, every role. Of several that is taken under
    which the most is allowed; then one that the first side names, then by name. Raises Refusal (42501) where there is none.
    """
    named = {one.role for side in sides for one in side}
    fitting = {name: strength for name in named if (strength := _strength(sides, name)) is not None}
    if wanted is not None:
        if wanted not in fitting:
            message = f'no grant gives the role "{wanted}" here'
            roles = ", ".join(sorted(name for name in fitting if name))
            hint = f"Ask for one of: {roles}." if roles else "Leave the role out."
            raise Refusal(Refused(State.DENIED, message, hint))
        return wanted or None
    if not fitting:
        raise Refusal(_no_role(sides, who, database))
    first = frozenset(one.role for one in sides[0] if one.role) if len(sides) > 1 else frozenset()
    return min(fitting, key=lambda name: (-fitting[name], name not in first, name)) or None


def _no_role(sides: Sequence[Side], who: Principal, database: str) -> Refused:
    *agents, person = (" or ".join(sorted({f'"{one.role}"' if one.role else "none" for one in side})) for side in sides)
    others = [f'agent "{actor}"' for actor in who.actors]
    others += [f'account "{who.account.user}"'] if who.account is not None else []
    message = (
        f'no role fits user "{who.user}" and {" for ".join(others)} in database "{database}": '
        f"the grants of the user name {person}, the others {', '.join(dict.fromkeys(agents))}"
    )
    return Refused(State.DENIED, message, "Connect to another database, or without the agent.")


def under(side: Side, role: str | None) -> Side:
    """The grants of a side that count under the role."""
    return tuple(one for one in side if one.role in ("", role or ""))


def _strength(sides: Sequence[Side], name: str) -> int | None:
    """How much is allowed under a role; None where a side may not have it."""
    if len(sides) == 1:
        return max(_ORDER.index(word) for one in sides[0] if one.role == name for word in one.allow)
    counting = [under(side, name) for side in sides]
    if not all(counting):
        return None
    return max((_ORDER.index(word) for word in words(counting)), default=-1)
