"""What pgbench prints and logs, as it is read."""

import io
import os

import pytest
from pgbench import Mark, cpu_each, follow, logged, progress, rate
from servers import Target
from tables import Failed

OUTPUT = """\
transaction type: <builtin: select only>
number of transactions actually processed: 54321
number of failed transactions: 0 (0.000%)
latency average = 0.870 ms
initial connection time = 11.062 ms
tps = 18379.250000 (without initial connection time)
"""


def test_rate_is_read_without_the_time_of_connecting() -> None:
    assert rate(OUTPUT) == (18379.25, 54321)


def test_failed_transactions_are_a_failure() -> None:
    with pytest.raises(Failed, match="3 transactions"):
        rate(OUTPUT.replace("transactions: 0", "transactions: 3"))


def test_run_without_a_transaction_says_what_took_its_time() -> None:
    with pytest.raises(Failed, match="opening the sessions"):
        rate("number of transactions actually processed: 0\nnumber of failed transactions: 0 (NaN%)\n")


def test_output_without_a_rate_is_a_failure_that_shows_it() -> None:
    with pytest.raises(Failed, match="nothing"):
        rate("nothing to say")


def test_progress_is_told_from_everything_else() -> None:
    assert progress("progress: 1.0 s, 15837.8 tps, lat 0.063 ms stddev 0.122, 0 failed\n") == Mark(1.0, 15837.8)
    assert progress("pgbench (18.4)\n") is None


def test_reports_get_the_cpu_time_of_their_moment_and_the_first_complaint_is_kept() -> None:
    errors = io.StringIO(
        "pgbench (18.4)\nprogress: 1.0 s, 10.0 tps, lat 1 ms\n"
        "pgbench: error: connection to server failed: FATAL:  too many\npgbench: error: Run was aborted\n"
    )
    marks, complaint = follow(errors, Target("sluice", 1, "ann", "", [os.getpid()]))
    assert [(mark.seconds, mark.tps) for mark in marks] == [(1.0, 10.0)]
    assert marks[0].cpu > 0
    assert complaint.endswith("FATAL:  too many")


def test_cpu_is_counted_from_the_first_report_to_the_last() -> None:
    marks = [Mark(1, 9999, cpu=5.0), Mark(2, 1000, cpu=5.1), Mark(4, 500, cpu=5.4)]
    assert cpu_each(marks, count=1, at_end=99) == pytest.approx(0.4 / 2000)


def test_cpu_after_a_single_report_is_counted_to_the_end() -> None:
    assert cpu_each([Mark(1, 1000, cpu=5.0)], count=3000, at_end=5.2) == pytest.approx(0.2 / 2000)


@pytest.mark.parametrize("marks", [[], [Mark(1, 1000, cpu=5.0)]])
def test_cpu_of_no_transaction_is_a_failure(marks: list[Mark]) -> None:
    with pytest.raises(Failed):
        cpu_each(marks, count=1000, at_end=5)


def test_log_gives_the_times_after_the_warm_up_whatever_the_order_of_its_files() -> None:
    text = "1 0 70 0 100 600000\n0 0 900 0 100 0 15\n0 1 50 0 100 499999 3\n0 2 60 0 100 500000\n"
    assert logged(text) == [70, 60]


def test_empty_log_is_a_failure() -> None:
    with pytest.raises(Failed):
        logged("")


def test_peer_whose_process_is_gone_is_a_failure() -> None:
    with pytest.raises(Failed, match="sluice is gone"):
        Target("sluice", 1, "ann", "", [2**22 + 1]).cpu_seconds()
