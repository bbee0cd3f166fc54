import numpy as np
import pytest

from bartleby.errors import ConfigError, LengthError, VocabularyError
from tests.parity.random_models import small_bart

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import keras
import tensorflow as tf

from bartleby.backends.keras.layers import (
    Attention,
    DecoderLayer,
    EncoderLayer,
    LayerCache,
    LearnedPositions,
    TokenEmbedding,
    dropped,
    finite,
    put_layer,
    renew_variable,
    tied_scores,
)

STATES = tf.random.stateless_normal((4, 3, 16), (1, 2))
SOURCE = tf.random.stateless_normal((2, 5, 16), (3, 4))


def test_two_layers_do_not_begin_alike() -> None:
    layer = EncoderLayer(small_bart())
    assert not np.allclose(layer.self_attn.q_proj.kernel, layer.self_attn.k_proj.kernel)


def test_ids_without_a_row_are_refused_where_they_can_be_looked_at() -> None:
    table = TokenEmbedding(7, 4, 0.02)
    assert table(np.array([[0, 6]])).shape == (1, 2, 4)
    for wrong in (7, -1):
        with pytest.raises(VocabularyError, match="must lie between 0 and 6"):
            table(np.array([[0, wrong]]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.function(table)(tf.constant([[7]]))


def test_xla_makes_nothing_up_for_what_has_no_row() -> None:
    table, places = TokenEmbedding(7, 4, 0.02), LearnedPositions(5, 4, 2, 0.02)
    found = tf.function(table.call, jit_compile=True)(tf.constant([[6, 7, -1]])).numpy()
    assert np.isnan(found).all(axis=-1).tolist() == [[False, True, True]]
    compiled = tf.function(lambda ids: places.call((1, 3), position_ids=ids), jit_compile=True)
    assert np.isnan(compiled(tf.constant([[4, 5, -1]])).numpy()).all(axis=-1).tolist() == [[False, True, True]]
    with pytest.raises(LengthError, match="must not be negative, but hold -1"):
        places.call((1, 1), position_ids=[[-1]])


def test_tied_scores_are_the_same_for_one_token_and_for_many() -> None:
    table = tf.random.stateless_normal((9, 16), (1, 1))
    whole = tied_scores(STATES, table)
    np.testing.assert_allclose(whole, STATES.numpy() @ table.numpy().T, atol=1e-5)
    np.testing.assert_allclose(tied_scores(STATES[:, 2:], table), whole[:, 2:], atol=1e-5)


def test_positions_skip_the_first_rows_and_end() -> None:
    positions = LearnedPositions(6, 4, 2, 0.02)
    table = positions.embeddings.numpy()
    np.testing.assert_array_equal(positions.call((1, 3), 1), table[3:6])
    np.testing.assert_array_equal(positions.call((1, 3), tf.constant(1)), table[3:6])
    np.testing.assert_array_equal(positions.call((1, 2), position_ids=np.array([[4, 0]])), table[[[6, 2]]])
    np.testing.assert_array_equal(positions.call((1, 1), position_ids=5), table[7])
    with pytest.raises(LengthError, match="has 7 tokens, but this model has 6 positions"):
        positions.call((1, 7))
    with pytest.raises(LengthError, match="beyond the last, 5, but hold 7"):
        positions.call((1, 1), position_ids=np.array([7]))


def test_beams_share_the_keys_of_their_source() -> None:
    attention = Attention(16, 4, name="shared")
    once, weights, made = attention.call(STATES, SOURCE)
    repeated = attention.call(STATES, tf.repeat(SOURCE, 2, axis=0))
    np.testing.assert_allclose(once, repeated[0], atol=1e-6)
    np.testing.assert_allclose(weights, repeated[1], atol=1e-6)
    np.testing.assert_allclose(attention.call(STATES, made)[0], once, atol=1e-6)
    unknown = tf.function(lambda states, source: attention.call(states, source)[0]).get_concrete_function(
        tf.TensorSpec((None, None, 16)), tf.TensorSpec((None, None, 16))
    )
    np.testing.assert_allclose(unknown(STATES, SOURCE), once, atol=1e-6)


@pytest.mark.parametrize("grows", [True, False])
def test_a_past_is_not_computed_again(grows: bool) -> None:
    attention = Attention(16, 2, is_decoder=True, name="past")
    causal = tf.where(tf.range(3)[None, :] > tf.range(3)[:, None], tf.float32.min / 2, 0.0)
    whole, _, kept = attention.call(STATES, attention_mask=causal)
    past = kept[0][:, :, :2], kept[1][:, :, :2]
    if not grows:
        past = tuple(tf.pad(each, [[0, 0], [0, 0], [0, 1], [0, 0]]) for each in past)
    last, _, (keys, values) = attention.call(
        STATES[:, 2:], past_key_value=past, start=None if grows else tf.constant(2)
    )
    np.testing.assert_allclose(last, whole[:, 2:], atol=1e-6)
    np.testing.assert_allclose(keys, kept[0], atol=1e-6)
    np.testing.assert_allclose(values, kept[1], atol=1e-6)


def test_a_head_that_is_masked_counts_nothing() -> None:
    attention = Attention(16, 4, name="masked")
    _, weights, _ = attention.call(STATES, layer_head_mask=tf.constant([1.0, 0.0, 0.5, 1.0]))
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=-1)[0, :, 0], [1, 0, 0.5, 1], atol=1e-6)


def test_pruned_heads_are_as_if_masked() -> None:
    attention = Attention(16, 4, name="pruned")
    masked = attention.call(STATES, layer_head_mask=tf.constant([1.0, 0.0, 1.0, 0.0]))[0]
    attention.prune_heads([1])
    attention.prune_heads([3])
    np.testing.assert_allclose(attention.call(STATES, layer_head_mask=tf.ones(4))[0], masked, atol=1e-6)
    assert attention.heads_left == (0, 2)
    assert attention.q_proj.kernel.shape == (16, 8)
    assert len(attention.weights) == 8
    with pytest.raises(ConfigError, match="some, but not all, of 0 to 3"):
        attention.prune_heads([0, 1, 2, 3])
    with pytest.raises(ConfigError, match=r"but are \[9\]"):
        attention.prune_heads([9])


def test_a_width_that_no_head_can_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be divisible by `num_heads`, but 16 is not by 3"):
        Attention(16, 3)


def test_a_layer_works_as_a_keras_layer() -> None:
    hidden, weights = EncoderLayer(small_bart())(STATES, attention_mask=None)
    assert (hidden.shape, weights.shape) == ((4, 3, 16), (4, 2, 3, 3))


def test_a_decoder_layer_looks_at_a_source_only_where_there_is_one() -> None:
    layer = DecoderLayer(small_bart())
    hidden, _, source_weights, cache = layer.call(STATES)
    assert source_weights is None
    assert cache.source_keys is None
    with_source, _, source_weights, cache = layer.call(STATES, encoder_hidden_states=SOURCE)
    assert source_weights.shape == (4, 2, 3, 5)
    assert isinstance(cache, LayerCache)
    assert not np.allclose(hidden, with_source)


def test_halves_are_held_back_from_overflowing() -> None:
    assert np.isfinite(finite(tf.constant([np.inf], tf.float16)).numpy()).all()
    assert np.isinf(finite(tf.constant([np.inf])).numpy()).all()


def test_dropout_is_of_training_alone() -> None:
    ones = tf.ones((1000,))
    assert dropped(ones, 0.5, False) is ones
    assert dropped(ones, 0.0, True) is ones
    assert 300 < np.count_nonzero(dropped(ones, 0.5, True)) < 700


def test_what_is_replaced_is_no_longer_the_layers() -> None:
    layer = EncoderLayer(small_bart())
    count = len(layer.weights)
    new = keras.layers.Dense(8)
    new.build((None, 16))
    put_layer(layer, "fc1", new)
    assert layer.fc1 is new
    assert len(layer.weights) == count
    renew_variable(layer.fc2, "_kernel", tf.ones((8, 4)))
    assert layer.fc2.kernel.shape == (8, 4)
    assert len(layer.trainable_weights) == count
