"""Sets of digests: what is in them is found, what is not is missed at the stated rate, damage is a ValueError."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.masking.key_cells import BLOCK, Keys
from gateway.masking.key_sets import (
    FEW,
    FEW_MAX,
    KEYS_MAX,
    MANY,
    UNKNOWN,
    Digester,
    Probe,
    not_known,
    read,
    sets,
)

DIGESTER = Digester(b"k" * 32)


def integers(numbers: range) -> bytes:
    keys = Keys([0], [0], "i")
    for number in numbers:
        keys.add(str(number).encode())
    return DIGESTER.digests(keys)


@settings(max_examples=40)
@given(st.integers(1, 3 * FEW_MAX), st.randoms(use_true_random=False))
def test_every_key_of_a_set_is_found_in_it(count: int, random: Random) -> None:
    digests = random.randbytes(BLOCK * count)
    (found,) = sets(digests, "i")
    one = read(found[1], found[0])
    assert one.form == (FEW if count <= FEW_MAX else MANY)
    assert all(one.holds(digests[at : at + BLOCK]) for at in range(0, len(digests), BLOCK))


def test_a_set_of_many_holds_its_keys_below_the_limit_of_a_record_and_hardly_others() -> None:
    digests = integers(range(KEYS_MAX + 10))
    packed = sets(digests, "i")
    assert [count for count, _ in packed] == [KEYS_MAX, 10]
    assert all(len(body) <= 128 * 1024 for _, body in packed)
    whole = read(packed[0][1], packed[0][0])
    assert whole.error <= 2**-24
    assert len(packed[0][1]) < 3.5 * KEYS_MAX
    within = set(whole._values().tolist())
    bits = whole.body[0]
    wanted = {int.from_bytes(digests[at : at + 8], "big") >> (64 - bits) for at in range(0, KEYS_MAX * BLOCK, BLOCK)}
    assert within == wanted
    random = Random(3)
    others = sum(random.getrandbits(bits) in within for _ in range(200_000))
    assert others <= 2


def test_key_that_comes_twice_counts_once() -> None:
    assert sets(integers(range(7)) * 3, "i")[0][0] == 7
    assert sets(integers(range(1000)) * 2, "i")[0][0] == 1000


def test_probe_finds_a_key_as_somebody_typed_it_by_the_families_of_the_set() -> None:
    keys = Keys([0, 1], [0, 0], "it")
    keys.cells = [b"4711", b"AT"]
    keys.put()
    (found,) = sets(DIGESTER.digests(keys), "it")
    one = read(found[1], found[0])
    digest = Probe(DIGESTER, ("4711", "AT")).digest(one.families)
    assert digest is not None
    assert one.holds(digest)
    other = Probe(DIGESTER, ("4711", "DE")).digest("it")
    assert other is not None
    assert not one.holds(other)
    assert Probe(DIGESTER, ("x", "AT")).digest("it") is None
    assert Probe(DIGESTER, ("4711",)).digest("it") is None


@pytest.mark.parametrize("size", [1, 15, 16, 17, 40, 3000])
def test_digest_depends_on_the_installations_key_and_every_byte(size: int) -> None:
    def digest(key: bytes, digester: Digester = DIGESTER) -> bytes:
        keys = Keys([0], [0], "t")
        keys.add(key)
        return digester.digests(keys)

    seen = {digest(b"a" * size), digest(b"a" * (size - 1) + b"b"), digest(b"a" * (size + 1))}
    seen.add(digest(b"a" * size, Digester(b"j" * 32)))
    assert len(seen) == 4
    assert all(len(each) == BLOCK for each in seen)


def test_reason_stands_where_keys_are_not_known() -> None:
    one = read(not_known("a reason"), 0)
    assert (one.form, one.why, one.error) == (UNKNOWN, "a reason", 0.0)
    assert not one.holds(bytes(BLOCK))


def test_damage_is_a_value_error_or_another_set_and_nothing_else() -> None:
    random = Random(5)
    few, many = sets(integers(range(5)), "i")[0], sets(integers(range(400)), "i")[0]
    for count, packed in (few, many):
        for cut in range(0, len(packed), 7):
            with pytest.raises(ValueError, match="set of digests"):
                read(packed[:cut], count).holds(bytes(BLOCK))
        for _ in range(500):
            at = random.randrange(len(packed))
            try:
                read(packed[:at] + bytes((random.randrange(256),)) + packed[at + 1 :], count).holds(bytes(BLOCK))
            except ValueError:
                continue
