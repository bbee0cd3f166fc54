from typing import Any

import numpy as np
import pytest

from bartleby.errors import ShapeError

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.layers import LayerCache
from bartleby.backends.keras.past import check_rows, published_past, read_past

CACHE = (LayerCache(tf.ones((2, 3, 4, 5)), tf.zeros((2, 3, 4, 5)), tf.ones((2, 3, 6, 5)), tf.ones((2, 3, 6, 5))),)


def test_a_layer_is_one_tensor_of_the_documented_shape() -> None:
    (layer,) = published_past(CACHE)
    assert layer.shape == (2, 2, 3, 4, 5)
    (read,) = read_past((layer,), 1)
    np.testing.assert_array_equal(read.values, CACHE[0].values)
    assert read.source_keys is None


def test_tuples_are_read_too() -> None:
    assert read_past([tuple(CACHE[0])], 1)[0].source_keys is CACHE[0].source_keys
    assert read_past([CACHE[0][:2]], 1)[0].source_keys is None


@pytest.mark.parametrize(
    ("past", "told"),
    [
        (3, "one entry for each of 1 layers, but is a int"),
        ((), "but is a tuple of 0"),
        ((np.ones((3, 1)),), r"but is of shape \(3, 1\)"),
        (({},), "a dict of 0"),
    ],
)
def test_what_is_no_past_is_refused(past: Any, told: str) -> None:
    with pytest.raises(ShapeError, match=told):
        read_past(past, 1)


def test_a_past_of_other_rows_is_refused() -> None:
    check_rows(None, tf.zeros((5, 1, 15)))
    check_rows(CACHE, tf.zeros((2, 1, 15)))
    with pytest.raises(ShapeError, match="of 2 rows, but 5 are given"):
        check_rows(CACHE, tf.zeros((5, 1, 15)))
