from pathlib import Path

import pytest

from bartleby.errors import OptionError
from bartleby.training import pace
from bartleby.training.cadence import RunOptions
from tests.training.tiny import quiet, tiny_recipe, tiny_training


@pytest.fixture(scope="module")
def data(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Examples of the corpora."""
    folder = tmp_path_factory.mktemp("data")
    tiny_recipe(corpora).prepare(folder, quiet)
    return folder


def test_as_many_steps_as_the_time_holds(corpora: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "seconds_a_step", lambda recipe, data, training: 0.5)
    said: list[str] = []
    options = RunOptions(minutes=3)
    assert pace.steps_of(tiny_recipe(corpora), data, tiny_training(None), options, said.append) == 360
    assert said == ["A step takes 0.50 s, so 3 minutes are 360 steps."]


def test_as_many_steps_as_the_passes_take(corpora: Path, data: Path) -> None:
    said: list[str] = []
    options = RunOptions(epochs=1.5)
    steps = pace.steps_of(tiny_recipe(corpora), data, tiny_training(None), options, said.append)
    batches = len(tiny_recipe(corpora).setup(data).batches.plan(0))
    assert steps == round(1.5 * batches)
    assert said == [f"A pass is about {batches} steps, so 1.5 are {steps} steps."]


def test_a_step_takes_time(corpora: Path, data: Path) -> None:
    assert 0 < pace.seconds_a_step(tiny_recipe(corpora), data, tiny_training(None)) < 10


@pytest.mark.parametrize(
    ("steps", "options", "told"), [(None, {}, "none was"), (2, {"minutes": 1}, "steps and minutes was")]
)
def test_exactly_one_length_must_be_given(steps: int | None, options: dict[str, float], told: str) -> None:
    with pytest.raises(OptionError, match=f"Exactly one of `steps`, `epochs` and `minutes` must be given, but {told}"):
        pace.refuse_length(tiny_training(steps), RunOptions(**options))  # type: ignore[arg-type]
