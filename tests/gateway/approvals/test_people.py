"""people.toml: whose address is whose."""

import pytest

from gateway.approvals import people
from gateway.errors import ConfigError

DORA = '[[person]]\nemail = "Dora@Example.com"\nuser = "dora"\nissuer = "company"\ngroups = ["dba"]\n'


def test_an_address_is_somebodys_in_upper_and_lower_case() -> None:
    known = people.load(DORA, "people.toml")
    found = known.of("dora@example.COM")
    assert found is not None
    assert (found.user, found.groups) == ("dora", ("dba",))
    assert len(known) == 1


@pytest.mark.parametrize("email", ["", "dora@example.org", "xdora@example.com", "dora@example.com ", "dorа@example.com"])
def test_an_address_that_only_looks_alike_is_nobodys(email: str) -> None:
    assert people.load(DORA, "people.toml").of(email) is None


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (DORA + DORA.replace("Dora", "dora"), 7, "twice"),
        (DORA.replace("Dora@Example.com", "dora"), 2, "not a mail address"),
        (DORA.replace("Dora@", "dorа@"), 2, "not a mail address"),
        (DORA + "role = 1\n", 6, "unknown key"),
        ('[[person]]\nemail = "d@e.com"\nuser = "d"\n', 1, "issuer"),
    ],
)
def test_a_mistake_is_told_by_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        people.load(text, "people.toml")
    assert caught.value.fault.line == line
