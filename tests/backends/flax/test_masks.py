import numpy as np
import pytest

from bartleby.family import masks as definition

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax.masks import causal_bias, padding_bias

MASK = np.array([[1, 1, 1, 0], [1, 0, 0, 0]])


def test_pads_are_hidden_as_the_definition_says() -> None:
    np.testing.assert_array_equal(padding_bias(jnp.asarray(MASK)) < 0, definition.padding(MASK))
    assert padding_bias(None) is None


def test_the_future_and_pads_are_hidden_as_the_definition_says() -> None:
    np.testing.assert_array_equal(causal_bias(None, 0, 4, 4) < 0, definition.causal(4))
    np.testing.assert_array_equal(causal_bias(jnp.asarray(MASK), 0, 4, 4) < 0, definition.causal(4, MASK))


def test_new_tokens_see_what_stands_before_them_and_no_empty_place() -> None:
    whole = definition.causal(6)
    for start in range(4):
        bias = jax.jit(causal_bias, static_argnums=(0, 2, 3))(None, start, 2, 6)  # where it starts may be unknown
        np.testing.assert_array_equal(bias < 0, whole[:, :, start : start + 2])


def test_a_row_of_pads_alone_makes_no_nan() -> None:
    scores = jnp.ones((1, 1, 1, 4)) + padding_bias(jnp.zeros((1, 4)))
    np.testing.assert_allclose(jax.nn.softmax(scores), np.full((1, 1, 1, 4), 0.25))
