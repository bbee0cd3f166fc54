import numpy as np
import pytest

from bartleby.training.recipes.judged import figures


def test_of_two_classes_f1_is_that_of_the_second() -> None:
    scores = np.array([[2, 1], [0, 1], [0, 3], [4, 3]], dtype=np.float32)  # says 0, 1, 1, 0
    found = figures("single_label_classification", scores, np.array([0, 1, 0, 1]))
    assert found == {"accuracy": 0.5, "f1": 0.5, "matthews": 0.0}


def test_of_more_classes_f1_is_the_mean() -> None:
    scores = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    found = figures("single_label_classification", scores, np.array([0, 1, 2, 1]))
    assert found["accuracy"] == 0.75
    assert found["f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_of_several_labels_all_must_be_right_and_f1_is_the_mean() -> None:
    scores = np.array([[1, -1], [1, 1], [-1, -2]], dtype=np.float32)
    found = figures("multi_label_classification", scores, np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx((2 / 3 + 1) / 2)


def test_numbers_are_compared_as_numbers() -> None:
    scores = np.array([[1.0], [2.0], [4.0]], dtype=np.float32)
    found = figures("regression", scores, np.array([1.5, 2.5, 4.5], dtype=np.float32))
    assert found["pearson"] == pytest.approx(1)
    assert found["spearman"] == pytest.approx(1)
    assert found["squared_error"] == pytest.approx(0.25)
