import numpy as np
import pytest

from bartleby.errors import ShapeError
from bartleby.family import masks as defined

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.masks import causal_bias, padding_bias

MASK = tf.constant([[1, 1, 0], [1, 1, 1]])
STATES = tf.zeros((2, 3, 4))


def is_hidden(bias: tf.Tensor) -> np.ndarray:
    return bias.numpy() < 0


def test_pads_are_hidden_as_defined() -> None:
    assert padding_bias(None, STATES, (2, 3)) is None
    for mask in (MASK, tf.cast(MASK, tf.bool), tf.cast(MASK, tf.float32)):
        np.testing.assert_array_equal(is_hidden(padding_bias(mask, STATES, (2, 3))), defined.padding(MASK.numpy()))


def test_the_future_is_hidden_as_defined() -> None:
    np.testing.assert_array_equal(is_hidden(causal_bias(None, STATES, 0, 3)), defined.causal(3))
    np.testing.assert_array_equal(is_hidden(causal_bias(MASK, STATES, 0, 3)), defined.causal(3, MASK.numpy()))


def test_one_token_that_sees_all_needs_no_mask() -> None:
    assert causal_bias(None, STATES[:, :1], 4, 5) is None
    assert causal_bias(None, STATES[:, :1], tf.constant(4), 5) is not None


def test_room_not_written_yet_is_in_the_future() -> None:
    for start in (1, tf.constant(1)):
        assert is_hidden(causal_bias(None, STATES[:, :1], start, 4)).tolist() == [[[[False, False, True, True]]]]
    covering = causal_bias(MASK, STATES[:, :2], 1, 5)
    assert is_hidden(covering)[0, 0].tolist() == [[False, False, True, True, True], [False, False, True, True, True]]
    assert is_hidden(covering)[1, 0].tolist() == [[False, False, True, True, True], [False, False, False, True, True]]


def test_rows_of_pads_alone_stay_numbers_in_halves() -> None:
    scores = tf.fill((1, 1, 1, 3), tf.constant(-60000, tf.float16))
    bias = padding_bias(tf.zeros((1, 3), tf.int32), tf.zeros((1, 3, 4), tf.float16), (1, 3))
    assert np.isfinite(tf.nn.softmax(tf.cast(scores, tf.float32) + tf.cast(bias, tf.float32)).numpy()).all()


def test_four_axes_pass_as_they_are() -> None:
    looks = tf.constant([[[[True, False, True]]]])
    assert is_hidden(padding_bias(looks, STATES, (2, 3))).tolist() == [[[[False, True, False]]]]
    np.testing.assert_array_equal(causal_bias(tf.ones((1, 1, 3, 3)), STATES, 0, 3), np.ones((1, 1, 3, 3)))


def test_what_covers_other_tokens_is_refused() -> None:
    with pytest.raises(ShapeError, match="cover the 4 source tokens, but covers 3"):
        padding_bias(MASK, STATES, (2, 4))
    with pytest.raises(ShapeError, match="must cover the 5 tokens read before or now, but covers 3"):
        causal_bias(MASK, STATES, 2, 5)
    with pytest.raises(ShapeError, match="must have 2 or 4 axes"):
        padding_bias(MASK[0], STATES, (2, 3))


def test_one_row_is_no_mask_of_several() -> None:
    for bias in (lambda: padding_bias(MASK[:1], STATES, (2, 3)), lambda: causal_bias(MASK[:1], STATES, 0, 3)):
        with pytest.raises(ShapeError, match="for each of the 2 rows of tokens, but has 1"):
            bias()
