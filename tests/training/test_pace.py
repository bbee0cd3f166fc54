from pathlib import Path

import pytest

from bartleby.errors import OptionError
from bartleby.training import pace
from tests.training.tiny import quiet, tiny_options


def test_as_many_steps_as_the_time_holds(corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "seconds_a_step", lambda options: 0.5)
    said: list[str] = []
    assert pace.steps_in(3, tiny_options(corpora, 1), tmp_path, said.append) == 360
    assert said == ["A step takes 0.50 s, so 3 minutes are 360 steps."]


def test_a_step_takes_time(corpora: Path) -> None:
    assert 0 < pace.seconds_a_step(tiny_options(corpora, 1)) < 10


def test_a_run_already_there_keeps_its_steps(corpora: Path, finished_run: Path) -> None:
    assert pace.steps_in(1000, tiny_options(corpora, 1), finished_run, quiet) == 6


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_no_time_is_refused(corpora: Path, tmp_path: Path, minutes: float) -> None:
    with pytest.raises(OptionError, match="`minutes` must be a number above 0"):
        pace.steps_in(minutes, tiny_options(corpora, 1), tmp_path, quiet)
