import numpy as np
import pytest

from bartleby.errors import ConfigError, ShapeError, VocabularyError
from bartleby.family import masks
from tests.parity.random_models import small_bart

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.layers import LayerCache
from bartleby.backends.keras.outputs import TFBaseModelOutput
from bartleby.backends.keras.passing import encoder_output, new_ids, next_places, reordered, shift_tokens_right

LABELS = np.array([[5, 6, -100], [7, -100, -100]])


def test_labels_move_right_as_defined() -> None:
    config = small_bart()
    moved = shift_tokens_right(LABELS, config.pad_token_id, config.decoder_start_token_id)
    np.testing.assert_array_equal(moved, masks.shift_right(LABELS, config))
    with pytest.raises(ConfigError, match="the config lacks one"):
        shift_tokens_right(LABELS, None, 2)
    with pytest.raises(ShapeError, match="must have 2 axes"):
        shift_tokens_right(LABELS[0], 1, 2)
    with pytest.raises(VocabularyError, match="must be whole numbers, but are float64"):
        shift_tokens_right(LABELS / 2, 1, 2)


def test_what_an_encoder_gave_comes_in_many_forms() -> None:
    whole = TFBaseModelOutput(LABELS)
    assert encoder_output(whole) is whole
    for given in (
        (LABELS,),
        [LABELS, None],
        {"last_hidden_state": LABELS},
        type("Other", (), {"last_hidden_state": LABELS}),
    ):
        assert encoder_output(given).last_hidden_state is LABELS
    for given in ((), {}, 3):
        with pytest.raises(ShapeError, match="must be what an encoder gave"):
            encoder_output(given)


def test_sources_stay_where_rows_move() -> None:
    cache = (LayerCache(tf.constant([1, 2]), tf.constant([3, 4]), tf.constant([5]), tf.constant([6])),)
    (moved,) = reordered(cache, [1, 1])
    assert [each.numpy().tolist() for each in moved] == [[2, 2], [4, 4], [5], [6]]


def test_only_new_ids_are_read() -> None:
    past = (tf.zeros((2, 1, 1, 4, 1)),)
    assert new_ids(LABELS, None) is LABELS
    np.testing.assert_array_equal(new_ids(LABELS, past), LABELS[:, 2:])
    assert next_places(LABELS, past, None) == 4
