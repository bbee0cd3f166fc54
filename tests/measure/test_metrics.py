import math

import pytest

from bartleby.errors import OptionError
from bartleby.measure.metrics import METRICS, metric_of


def test_every_metric_is_known_by_its_own_name() -> None:
    assert all(metric_of(name).name == name for name in METRICS)


def test_direction_decides_which_of_two_figures_is_better() -> None:
    assert metric_of("perplexity").is_better(20.0, than=30.0)
    assert not metric_of("perplexity").is_better(30.0, than=20.0)
    assert metric_of("rouge1").is_better(0.3, than=0.2)
    assert not metric_of("rouge1").is_better(0.2, than=0.3)


@pytest.mark.parametrize("name", ["perplexity", "rouge1"])
def test_equal_is_not_better_and_any_number_beats_nan(name: str) -> None:
    metric = metric_of(name)
    assert not metric.is_better(0.5, than=0.5)
    assert metric.is_better(0.5, than=math.nan)
    assert not metric.is_better(math.nan, than=0.5)
    assert not metric.is_better(math.nan, than=math.nan)


def test_what_is_lower_when_better_is_named_here_once() -> None:
    assert {name for name, metric in METRICS.items() if metric.direction == "lower"} == {
        "loss",
        "perplexity",
        "repetition",
        "squared_error",
    }


def test_an_unknown_metric_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(OptionError, match=r"is 'rougeLSum'\. Did you mean rougeLsum\?"):
        metric_of("rougeLSum")
