"""What a policy's change is told to be."""

from gateway.policy import compile, rules
from gateway.policy.difference import difference
from gateway.settings import Settings

OLD = """
[[grant]]
name = "analysts read"
groups = ["analysts"]
databases = ["*"]
allow = ["read"]
reason = "TICKET-1"

[[grant]]
name = "writers write"
databases = ["*"]
groups = ["writers"]
allow = ["write"]

[[mask]]
labels = ["card"]
with = "partial"
"""


def compiled(text: str) -> bytes:
    return compile.compile([rules.load(text, "policy.toml")], Settings())


def test_same_policy_has_no_difference() -> None:
    assert difference(compiled(OLD), compiled(OLD)) == {}


def test_rules_are_named_as_added_removed_and_changed_with_their_keys() -> None:
    new = OLD.replace('name = "writers write"', 'name = "writers do"').replace("TICKET-1", "TICKET-2")
    new = new.replace('allow = ["read"]', 'allow = ["read", "write"]').replace('"partial"', '"hash"')
    new += '[[classify]]\ncolumns = ["public.t.c"]\nlabel = "none"\n'
    assert difference(compiled(OLD), compiled(new)) == {
        "grants": {
            "added": ["writers do"],
            "removed": ["writers write"],
            "changed": {"analysts read": ["allow", "reason"]},
        },
        "masks": {"changed": {"card": ["method", "keep_last"]}},
        "classify": {"added": ["none: public.t.c"]},
    }


def test_order_of_rules_is_no_difference() -> None:
    first, second, mask = OLD.strip().split("\n\n")
    assert difference(compiled(OLD), compiled("\n\n".join((second, mask, first)))) == {}
