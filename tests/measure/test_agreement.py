import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.measure.agreement import (
    accuracy,
    f1_macro,
    f1_of,
    matthews,
    pearson,
    ranks,
    spearman,
    squared_error,
)

LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=20)
NUMBERS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=20)


@given(LABELS)
def test_figures_of_labels_stay_in_their_ranges_and_know_no_sides(pairs: list) -> None:
    found, wanted = zip(*pairs, strict=True)
    assert 0 <= f1_macro(found, wanted) <= 1
    assert -1 - 1e-9 <= matthews(found, wanted) <= 1 + 1e-9
    assert f1_macro(wanted, found) == pytest.approx(f1_macro(found, wanted))
    assert matthews(wanted, found) == pytest.approx(matthews(found, wanted))
    assert accuracy(wanted, wanted) == f1_macro(wanted, wanted) == 1


def test_f1_of_a_label_is_the_harmonic_mean_of_precision_and_recall() -> None:
    found, wanted = [1, 1, 1, 0, 0], [1, 0, 0, 1, 0]
    precision, recall = 1 / 3, 1 / 2
    assert f1_of(1, found, wanted) == pytest.approx(2 * precision * recall / (precision + recall))
    assert f1_macro(found, wanted) == pytest.approx((f1_of(0, found, wanted) + f1_of(1, found, wanted)) / 2)
    assert f1_of(7, found, wanted) == 0.0


def test_matthews_of_two_classes_is_their_correlation() -> None:
    found, wanted = [1, 1, 1, 0, 0, 0, 1], [1, 0, 1, 0, 0, 1, 1]
    assert matthews(found, wanted) == pytest.approx(pearson(found, wanted))
    assert matthews([1, 1], [1, 0]) == 0.0
    assert matthews(["a", "b", "c"], ["a", "b", "c"]) == pytest.approx(1)


@given(NUMBERS)
def test_correlations_are_those_of_scipy(pairs: list) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed: pip install scipy")
    found, wanted = zip(*pairs, strict=True)
    if len({*found}) == 1 or len({*wanted}) == 1:
        assert math.isnan(pearson(found, wanted))
        assert math.isnan(spearman(found, wanted))
        return
    assert pearson(found, wanted) == pytest.approx(stats.pearsonr(found, wanted).statistic, abs=1e-9)
    assert spearman(found, wanted) == pytest.approx(stats.spearmanr(found, wanted).statistic, abs=1e-9)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12))
def test_ranks_add_up_and_equal_values_share_theirs(values: list[int]) -> None:
    found = ranks(values)
    assert found.sum() == pytest.approx(len(values) * (len(values) + 1) / 2)
    assert all((values[i] == values[j]) == (found[i] == found[j]) for i in range(len(values)) for j in range(i))


def test_growing_together_is_a_rank_correlation_of_one() -> None:
    values = np.arange(1.0, 9.0)
    assert spearman(values, np.exp(values)) == pytest.approx(1)
    assert pearson(values, np.exp(values)) < 0.9
    assert squared_error([1.0, 3.0], [0.0, 1.0]) == 2.5


@pytest.mark.parametrize("figure", [accuracy, f1_macro, matthews, pearson, spearman, squared_error])
def test_figures_need_pairs(figure) -> None:
    with pytest.raises(DataError, match="one reference for each of 2"):
        figure([1, 2], [1])
    with pytest.raises(DataError, match="at least one"):
        figure([], [])
