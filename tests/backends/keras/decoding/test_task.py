import numpy as np
import pytest

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.decoding.inputs import Prepared
from bartleby.backends.keras.decoding.task import ModelReader, as_cache, as_memory, room_of, seeded_noise
from bartleby.backends.keras.layers import LayerCache
from bartleby.generation.config import GenerationConfig
from tests.backends.keras.decoding.weighted import model_of
from tests.parity.random_models import random_weights, small_bart


def test_beams_share_their_sources_and_see_what_prompts_do_not_hide() -> None:
    model = model_of(random_weights(np.random.default_rng(0), small_bart()), small_bart())
    ids, mask = tf.constant([[5, 6, 2], [7, 2, 1]]), tf.constant([[1, 1, 1], [1, 1, 0]])
    prompts, prompt_mask = tf.constant([[2, 8], [1, 2]]), tf.constant([[1, 1], [0, 1]])
    reader = ModelReader(model, Prepared(prompts, prompt_mask, ids, mask), 4)
    logits, memory = reader.read(prompts, 0, reader.memory())
    shown = model(ids, mask, prompts, prompt_mask).logits[:, -1]
    np.testing.assert_allclose(logits, shown, atol=1e-4)
    memory = reader.reorder(memory, tf.constant([0, 0, 1, 1]))
    assert [part.shape[0] for part in memory[0]] == [4, 4, 2, 2]
    logits, _ = reader.read(tf.constant([[9], [10], [9], [10]]), tf.constant(2), memory)
    longer, seen = tf.constant([[2, 8, 10], [1, 2, 9]]), tf.constant([[1, 1, 1], [0, 1, 1]])
    np.testing.assert_allclose(tf.gather(logits, [1, 2]), model(ids, mask, longer, seen).logits[:, -1], atol=1e-4)


def test_loops_are_given_tensors_only() -> None:
    tensor = tf.zeros((1, 1, 1, 1))
    for cache in ((LayerCache(tensor, tensor),), (LayerCache(tensor, tensor, tensor, tensor),)):
        memory = as_memory(cache)
        assert all(part is tensor for layer in memory for part in layer)
        assert as_cache(memory) == cache


def test_the_last_token_written_is_never_read() -> None:
    prepared = Prepared(tf.constant([[2, 5]]))
    assert room_of(GenerationConfig(max_length=9), prepared) == 8
    assert room_of(GenerationConfig(max_new_tokens=3), prepared) == 4


def test_every_step_draws_anew_and_the_same_again() -> None:
    noise = seeded_noise(tf.constant([1, 2]), tf.zeros((2, 1)), 50)
    assert noise(3, 4).shape == (2, 4, 50)
    assert np.isfinite(noise(3, 4)).all()
    assert np.array_equal(noise(3, 4), noise(3, 4))
    assert not np.array_equal(noise(3, 4), noise(4, 4))
