import numpy as np
import pytest

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax.decoding.inputs import Prepared
from bartleby.backends.flax.decoding.task import ModelReader, keyed_noise
from tests.backends.flax.decoding.weighted import model_of
from tests.parity.random_models import random_weights, small_bart


def test_beams_share_their_sources_and_see_what_prompts_do_not_hide() -> None:
    model = model_of(random_weights(np.random.default_rng(0), small_bart()), small_bart())
    ids, mask = jnp.array([[5, 6, 2], [7, 2, 1]]), jnp.array([[1, 1, 1], [1, 1, 0]])
    prompts, prompt_mask = jnp.array([[2, 8], [1, 2]]), jnp.array([[1, 1], [0, 1]])
    reader = ModelReader(model, model.params, Prepared(prompts, prompt_mask, ids, mask), 4)
    logits, memory = reader.read(prompts, 0, reader.memory())
    assert memory[0].keys.shape[0] == 2
    shown = model.decode(prompts, model.encode(ids, mask), mask, prompt_mask).logits[:, -1]
    np.testing.assert_allclose(logits, shown, atol=1e-4)
    memory = reader.reorder(memory, jnp.array([0, 0, 1, 1]))
    assert (memory[0].keys.shape[0], memory[0].source_keys.shape[0]) == (4, 2)
    logits, _ = reader.read(jnp.array([[9], [10], [9], [10]]), 2, memory)
    longer = jnp.array([[2, 8, 10], [1, 2, 9]])
    seen = jnp.array([[1, 1, 1], [0, 1, 1]])
    shown = model.decode(longer, model.encode(ids, mask), mask, seen).logits[:, -1]
    np.testing.assert_allclose(logits[jnp.array([1, 2])], shown, atol=1e-4)


def test_every_step_draws_anew_and_the_same_again() -> None:
    noise = keyed_noise(jax.random.PRNGKey(0), (2, 50))
    assert noise(3, 4).shape == (2, 4, 50)
    assert jnp.array_equal(noise(3, 4), noise(3, 4))
    assert not jnp.array_equal(noise(3, 4), noise(4, 4))
