from pathlib import Path

import pytest

from bartleby.errors import OptionError
from bartleby.training.cadence import MEASURED, Every, RunOptions
from bartleby.training.recipes import RECIPES
from bartleby.training.recipes.classify import ClassifyOptions
from bartleby.training.recipes.recipe import DataOptions, ModelOptions


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


def test_every_metric_that_can_be_chosen_is_measured_by_some_kind() -> None:
    kinds = [(recipe, recipe.own()) for recipe in RECIPES.values()]
    kinds.append((RECIPES["classify"], ClassifyOptions(problem_type="regression")))
    recipes = [recipe(own, ModelOptions(), DataOptions(Path())) for recipe, own in kinds]
    assert {metric for recipe in recipes for metric in recipe.measured} == set(MEASURED)
