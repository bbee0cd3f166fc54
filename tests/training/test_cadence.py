import pytest

from bartleby.errors import OptionError
from bartleby.training.cadence import Every, RunOptions


def test_steps_are_counted_from_the_start_of_the_run() -> None:
    every = Every(5, 3)
    assert [step for step in range(1, 10) if every.is_due(step)] == [3, 6, 9]


def test_minutes_are_counted_from_the_last_time() -> None:
    now = [0.0]

    def is_due(seconds: float) -> bool:
        now[0] = seconds
        return every.is_due(1)

    every = Every(2, None, lambda: now[0])
    assert [seconds for seconds in (0.0, 119.0, 130.0, 200.0, 249.0, 250.0) if is_due(seconds)] == [130.0, 250.0]


def test_a_run_has_one_length() -> None:
    with pytest.raises(OptionError, match="`epochs` and `minutes` must not both be given"):
        RunOptions(epochs=1, minutes=2)
    with pytest.raises(OptionError, match=r"(?s)`minutes` must be a number above 0.*`keep`.*`metric` must be one of"):
        RunOptions(minutes=0, keep=0, metric="beauty")
