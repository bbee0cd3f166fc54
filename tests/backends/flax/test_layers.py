from typing import Any

import numpy as np
import pytest

from bartleby.family import reference
from tests.parity.random_models import POSITIONS, VOCABULARY, small_bart

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax.cache import LayerCache
from bartleby.backends.flax.layers import (
    Attention,
    DecoderLayer,
    EncoderLayer,
    LearnedPositions,
    TokenEmbedding,
    finite,
    tied_scores,
)
from tests.backends.flax.reference_models import known

KEY = jax.random.PRNGKey(0)
CONFIG = small_bart(init_std=0.3)
HIDDEN = jax.random.normal(KEY, (4, 3, 16))
SOURCE = jax.random.normal(KEY, (2, 5, 16))


def test_token_vectors_are_scaled_and_an_unknown_id_in_a_traced_pass_is_no_number() -> None:
    table = TokenEmbedding(VOCABULARY, 16, embed_scale=4.0)
    variables = table.init(KEY, jnp.zeros((1, 1), jnp.int32))
    vectors = table.apply(variables, jnp.array([[5, VOCABULARY]]))
    np.testing.assert_array_equal(vectors[0, 0], 4 * variables["params"]["embedding"][5])
    assert jnp.isnan(vectors[0, 1]).all()


def test_the_table_gives_scores_too() -> None:
    table = jax.random.normal(KEY, (VOCABULARY, 16))
    np.testing.assert_allclose(tied_scores(HIDDEN, table), HIDDEN @ table.T, atol=1e-5)
    assert tied_scores(HIDDEN.astype(jnp.bfloat16), table).dtype == jnp.bfloat16


@pytest.mark.parametrize(("model_type", "offset"), [("bart", 2), ("blenderbot", 0)])
def test_positions_begin_where_the_switches_say(model_type: str, offset: int) -> None:
    config = known(model_type).config
    positions = LearnedPositions(config)
    variables = positions.init(KEY, jnp.arange(2))
    rows = variables["params"]["embedding"]
    assert len(rows) == POSITIONS + offset
    np.testing.assert_array_equal(positions.apply(variables, jnp.array([[3, 0]]))[0], rows[jnp.array([3, 0]) + offset])


def attend(beams: bool) -> tuple[jax.Array, jax.Array]:
    """Four rows looking at two sources: shared, or copied for each row."""
    attention = Attention(CONFIG, num_heads=2)
    states = SOURCE if beams else SOURCE.repeat(2, axis=0)
    bias = jnp.where(jnp.arange(5) > 3, -1e9, 0.0)[None, None, None]

    def look(module: Attention) -> tuple[jax.Array, jax.Array]:
        return module(HIDDEN, module.keys_and_values(states), bias, True)

    variables = attention.init(KEY, method=look)
    shown: tuple[jax.Array, jax.Array] = attention.apply(variables, method=look)
    return shown


def test_beams_share_a_source_without_copying_it() -> None:
    (mixed, weights), (mixed_apart, weights_apart) = attend(beams=True), attend(beams=False)
    assert weights.shape == (4, 2, 3, 5)
    np.testing.assert_allclose(mixed, mixed_apart, atol=1e-6)
    np.testing.assert_allclose(weights, weights_apart, atol=1e-6)
    np.testing.assert_allclose(weights.sum(-1), np.ones((4, 2, 3)), atol=1e-6)
    assert not weights[..., 4].any()


def test_pruned_heads_have_no_columns() -> None:
    layer = EncoderLayer(small_bart(pruned_heads={0: [1]}), index=0)
    params = layer.init(KEY, HIDDEN, None, True)["params"]["self_attn"]
    assert params["q_proj"]["kernel"].shape == (16, 8)
    assert params["out_proj"]["kernel"].shape == (8, 16)


def test_a_layer_equals_its_definition() -> None:
    layer = EncoderLayer(CONFIG)
    variables = layer.init(KEY, HIDDEN, None, True)
    weights = {f"x.{name}": array for name, array in _canonical(variables["params"]).items()}
    definition = reference.Layer(weights, CONFIG, "x", CONFIG.encoder_attention_heads)
    expected = definition.feed_forward(definition.attend("self_attn", np.asarray(HIDDEN), None, None))
    np.testing.assert_allclose(layer.apply(variables, HIDDEN, None, True)[0], expected, atol=1e-5)


def _canonical(params: dict[str, Any], path: str = "") -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            found |= _canonical(value, f"{path}{name}.")
        else:
            leaf = "bias" if name == "bias" else "weight"
            found[path + leaf] = np.asarray(value).T if name == "kernel" else np.asarray(value)
    return found


def test_a_decoder_layer_writes_what_it_has_seen_into_its_cache() -> None:
    layer = DecoderLayer(CONFIG)
    variables = layer.init(KEY, HIDDEN, None, SOURCE, None, None, True)
    room = jnp.zeros((4, 2, 6, 8))
    _, (weights, source_weights, cache) = layer.apply(
        variables, HIDDEN, None, SOURCE, None, (LayerCache(room, room), 2), True
    )
    assert weights.shape == (4, 2, 3, 6)
    assert source_weights.shape == (4, 2, 3, 5)
    written = jnp.abs(cache.keys).sum((0, 1, 3)) > 0
    assert written.tolist() == [False, False, True, True, True, False]
    _, (_, nothing, none) = layer.apply(variables, HIDDEN, None, None, None, None, True)
    assert nothing is None
    assert none is None


def test_halves_are_held_back_from_overflowing() -> None:
    held = finite(jnp.array([jnp.inf, -jnp.inf, 1.0], jnp.float16))
    assert held.tolist() == [64512.0, -64512.0, 1.0]  # the halves next to 65504 - 1000
    assert jnp.isinf(finite(jnp.array([jnp.inf]))).all()
