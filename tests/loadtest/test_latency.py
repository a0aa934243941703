"""What a proxy adds, of the rounds' times."""

from latency import added
from tables import Samples


def test_what_is_added_is_counted_against_the_direct_time_of_the_same_round() -> None:
    times = {
        ("work", "direct", "p50"): [100.0, 300.0],
        ("work", "sluice", "p50"): [150.0, 340.0],
        ("work", "pgbouncer", "p50"): [120.0, 330.0],
    }
    above = added(Samples(times), ["work"])
    assert above.figures == {("work", "sluice", "p50"): [50, 40], ("work", "pgbouncer", "p50"): [20, 30]}


def test_nothing_is_said_of_what_a_proxy_adds_where_the_direct_way_failed() -> None:
    samples = Samples({("work", "sluice", "p50"): [150.0]}, {("work", "direct"): "refused"})
    above = added(samples, ["work"])
    assert above.figures == {}
    assert above.failures == {("work", "sluice"): "refused", ("work", "pgbouncer"): "refused"}
