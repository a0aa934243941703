"""How many failures an address and a name have."""

import pytest

from gateway.identity.throttle import BUCKETS_MAX, Throttle, host_of


def burst(throttle: Throttle, address: str, user: str, now: float) -> int:
    """How many failures it takes until nothing more is looked at."""
    count = 0
    while throttle.wait(address, user, now) == 0:
        throttle.failed(address, user, now)
        count += 1
    return count


def test_a_name_has_a_fifth_of_its_address() -> None:
    throttle = Throttle(600)
    assert burst(throttle, "10.0.0.1:5", "alice", 0.0) == 20
    assert throttle.wait("10.0.0.1:6", "alice", 0.0) == pytest.approx(0.5)
    assert throttle.wait("10.0.0.1:6", "bob", 0.0) == 0
    assert throttle.wait("10.0.0.2:5", "alice", 0.0) == 0
    assert sum(burst(throttle, "10.0.0.1:5", f"user{n}", 0.0) for n in range(10)) == 80
    assert throttle.wait("10.0.0.1:6", "nobody yet", 0.0) == pytest.approx(0.1)


def test_time_brings_attempts_back_up_to_a_full_bucket() -> None:
    throttle = Throttle(600)
    burst(throttle, "10.0.0.1:5", "alice", 0.0)
    assert throttle.wait("10.0.0.1:5", "alice", 0.51) == 0
    assert burst(throttle, "10.0.0.1:5", "alice", 1.0) == 2
    assert burst(throttle, "10.0.0.1:5", "alice", 1e6) == 20


def test_the_smallest_rate_still_lets_one_try() -> None:
    throttle = Throttle(1)
    assert burst(throttle, "10.0.0.1:5", "alice", 0.0) == 1
    assert throttle.wait("10.0.0.1:5", "alice", 0.0) == pytest.approx(300.0)


def test_memory_is_bounded_by_number_and_by_the_length_of_names() -> None:
    throttle = Throttle(600)
    for number in range(BUCKETS_MAX):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:1", "x" * 9000, 0.0)
    assert len(throttle) == BUCKETS_MAX
    assert max(len(name) for _, name in throttle._buckets) < 200


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("10.0.0.1:5432", "10.0.0.1"),
        ("[2001:db8:1:2:3:4:5:6]:5432", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:ffff::1]:9", "2001:db8:1:2::/64"),
        ("[::ffff:10.0.0.1]:5432", "10.0.0.1"),
        ("[fe80::1%eth0]:5432", "fe80::/64"),
        ("unix", "unix"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_counts_for_its_host_or_network(address: str, host: str) -> None:
    assert host_of(address) == host
