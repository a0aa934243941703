"""The mapping of sketches that the supervisor makes: tables and sketches of their own, and nothing of numpy."""

import subprocess
import sys

from workers.crowds import HEAD, REGISTERS, Crowds


def test_each_sketch_of_each_entry_of_each_slot_is_its_own() -> None:
    crowds = Crowds(2, 3, 2, 1200)
    number = 0
    for table in crowds.tables:
        for entry in range(3):
            table.head[entry * crowds.width] = 1
            for span in range(2):
                number += 1
                sketch = crowds.sketch(table, entry * crowds.width, span)
                assert len(sketch) == REGISTERS
                assert not any(sketch)
                sketch[:] = bytes((number,)) * REGISTERS
                table.head[entry * crowds.width + HEAD + span] = number << 40 | 5
    number = 0
    for table in crowds.tables:
        for entry in range(3):
            assert list(crowds.stamps(table, entry * crowds.width)) == [(number + 1, 5), (number + 2, 5)]
            for span in range(2):
                number += 1
                assert set(crowds.sketch(table, entry * crowds.width, span)) == {number}


def test_spans_are_counted_from_one() -> None:
    hours, tasks = Crowds(1, 1, 4, 1200), Crowds(1, 1, 1, 0)
    assert [hours.number(second * 10**9) for second in (0, 1199, 1200, 2400)] == [1, 1, 2, 3]
    assert tasks.number(10**18) == 1


def test_the_supervisor_needs_no_numpy_for_it() -> None:
    """Numpy brings threads, and the supervisor must have none when it forks."""
    code = "import sys, workers.budgets; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
