import numpy as np
import pytest

from bartleby.errors import ShapeError, VocabularyError
from tests.parity.random_models import small_bart

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.losses import classification_loss, is_compiled, mean_loss, span_loss, token_loss

LOGITS = tf.math.log([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], [[0.2, 0.2, 0.6], [1.0, 1.0, 1.0]]])
LABELS = tf.constant([[0, 1], [2, -100]])
CHANCES = [0.5, 0.8, 0.6]


def test_every_label_that_counts_has_its_own_loss() -> None:
    np.testing.assert_allclose(token_loss(LABELS, LOGITS), -np.log(CHANCES), atol=1e-6)
    assert token_loss(tf.fill((2, 2), -100), LOGITS).shape == (0,)


def test_compiled_the_mean_comes_back() -> None:
    compiled = tf.function(token_loss, jit_compile=True)
    np.testing.assert_allclose(compiled(LABELS, LOGITS), [-np.log(CHANCES).mean()], atol=1e-6)
    assert compiled(tf.fill((2, 2), -100), LOGITS).numpy().tolist() == [0]
    assert not is_compiled()


def test_halves_lose_nothing_in_the_loss() -> None:
    assert token_loss(LABELS, tf.cast(LOGITS, tf.float16)).dtype == tf.float32


def test_labels_for_other_tokens_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 2\), but have shape \(2, 1\)"):
        token_loss(LABELS[:, :1], LOGITS)


@pytest.mark.parametrize("label", [3, -1])
def test_labels_that_have_no_score_are_refused(label: int) -> None:
    with pytest.raises(VocabularyError, match="-100 or token ids from 0 to 2, but are between"):
        token_loss(tf.constant([[label, 1], [2, -100]]), LOGITS)
    with pytest.raises(ShapeError, match="classes from 0 to 2, but are between"):
        classification_loss(tf.constant([label, 1]), LOGITS[0], small_bart(num_labels=3))


def test_compiled_labels_that_have_no_score_leave_no_loss() -> None:
    compiled = tf.function(token_loss, jit_compile=True)
    assert np.isnan(compiled(tf.constant([[3, 1], [2, -100]]), LOGITS)).all()


@pytest.mark.parametrize(
    ("labels", "problem", "wanted"),
    [
        ([0, 1], "single_label_classification", -np.log([0.5, 0.8])),
        ([[1.0, 0, 0], [0, 1, 1]], "multi_label_classification", None),
    ],
)
def test_labels_settle_the_problem(labels: list, problem: str, wanted: np.ndarray | None) -> None:
    config = small_bart(num_labels=3)
    loss = classification_loss(tf.constant(labels), LOGITS[0], config)
    assert config.problem_type == problem
    assert loss.shape == (2,)
    if wanted is not None:
        np.testing.assert_allclose(loss, wanted, atol=1e-6)


def test_one_label_is_a_number_to_hit() -> None:
    config = small_bart(num_labels=1)
    loss = classification_loss(tf.constant([1.0, 4.0]), tf.constant([[2.0], [2.0]]), config)
    assert config.problem_type == "regression"
    assert loss.numpy().tolist() == [1, 4]


def test_positions_past_the_text_are_ignored() -> None:
    logits = tf.math.log([[0.5, 0.5], [0.2, 0.8]])
    np.testing.assert_allclose(span_loss(tf.constant([7, 1]), logits), [-np.log(0.8)], atol=1e-6)


def test_the_mean_of_nothing_is_nothing() -> None:
    assert float(mean_loss(tf.zeros((0,)))) == 0
    assert float(mean_loss(tf.constant([1.0, 3.0]))) == 2
