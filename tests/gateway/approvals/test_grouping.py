"""Requests that wait and are alike."""

import msgspec

from gateway.approvals.grouping import Groups
from tests.gateway.approvals.test_statements import NOW, held


def test_the_one_that_waits_longest_stands_for_those_that_are_alike() -> None:
    groups = Groups()
    one, two, other = held(id="h1", since=NOW), held(id="h2", since=NOW + 1), held(id="h3", shape=b"other")
    for each in (two, one, other, one):
        groups.add(each)
    assert (groups.alike(two), groups.count(one), groups.lead(two)) == (("h1", "h2"), 2, one)
    assert groups.alike(other) == ("h3",)
    assert {each.id for each in groups} == {"h1", "h2", "h3"}
    groups.drop(one)
    groups.drop(one)
    assert groups.lead(one) == two
    groups.drop(two)
    assert (groups.lead(two), groups.count(two), groups.alike(two)) == (None, 0, ())


def test_what_has_become_of_one_takes_its_place() -> None:
    groups = Groups()
    groups.add(held())
    groups.add(msgspec.structs.replace(held(), words="now"))
    assert [each.words for each in groups] == ["now"]
