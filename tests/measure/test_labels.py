import pytest

from bartleby.measure.labels import label_figures

SINGLE, MULTI, NUMBER = "single_label_classification", "multi_label_classification", "regression"


def test_two_classes_have_the_f1_of_the_second():
    found, wanted = [1, 1, 0, 0], [1, 0, 0, 0]
    assert label_figures(found, wanted, SINGLE, 2)["f1"] == pytest.approx(2 / 3)
    assert label_figures(found, wanted, SINGLE, 3)["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert label_figures([(0,), (0, 1)], [(0,), (1,)], MULTI, 2) == {
        "accuracy": 0.5,
        "f1": pytest.approx((2 / 3 + 1) / 2),
    }
    numbers = label_figures([1.0, 2.0, 4.0], [2.0, 4.0, 8.0], NUMBER, 1)
    assert (numbers["pearson"], numbers["spearman"]) == (pytest.approx(1), pytest.approx(1))


def test_of_more_classes_f1_is_the_mean():
    found = label_figures([0, 1, 2, 2], [0, 1, 2, 1], SINGLE, 3)
    assert found["accuracy"] == 0.75
    assert found["f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_of_several_labels_all_must_be_right_and_f1_is_the_mean():
    found = label_figures([(0,), (0, 1), ()], [(0,), (1,), ()], MULTI, 2)
    assert found == {"accuracy": pytest.approx(2 / 3), "f1": pytest.approx((2 / 3 + 1) / 2)}


def test_numbers_are_compared_as_numbers():
    assert label_figures([1.0, 2.0, 4.0], [1.5, 2.5, 4.5], NUMBER, 1)["squared_error"] == pytest.approx(0.25)
