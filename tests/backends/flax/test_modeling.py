import math
from typing import Any

import numpy as np
import pytest

from bartleby.family import masks, reference
from tests.parity.random_models import MODEL_TYPES, VOCABULARY, random_batch, seeded

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax.modeling import Decoder, Encoder, Record, token_embedding
from tests.backends.flax.reference_models import Known, known

KEY = jax.random.PRNGKey(0)
IDS, MASK = random_batch(seeded("flax stacks"), rows=2, longest=6)


@pytest.fixture(params=MODEL_TYPES)
def bare(request: pytest.FixtureRequest) -> Known:
    return known(request.param, "none")


def run(made: Known, side: str, *arguments: Any, **named: Any) -> Any:
    """A stack of a bare model."""
    get = {"encoder": lambda module: module.get_encoder(), "decoder": lambda module: module.get_decoder()}[side]
    return made.model.module.apply({"params": made.params}, method=lambda module: get(module)(*arguments, **named))


def test_the_stacks_equal_the_definition(bare: Known) -> None:
    states = run(bare, "encoder", IDS, MASK).last_hidden_state
    expected = reference.encode(bare.weights, bare.config, IDS, MASK)
    np.testing.assert_allclose(states, expected, atol=1e-5)
    target = masks.shift_right(IDS, bare.config)
    decoded = run(bare, "decoder", target, MASK, None, states, MASK).last_hidden_state
    np.testing.assert_allclose(
        decoded, reference.decode(bare.weights, bare.config, target, expected, MASK, MASK), atol=1e-5
    )


def test_what_is_recorded_is_what_was_asked_for(bare: Known) -> None:
    plain = run(bare, "encoder", IDS)
    assert [*plain] == ["last_hidden_state"]
    told = run(bare, "encoder", IDS, output_attentions=True, output_hidden_states=True)
    assert len(told.hidden_states) == bare.config.encoder_layers + 1
    assert told.hidden_states[-1] is told.last_hidden_state
    assert told.attentions[0].shape == (2, 4, 6, 6)
    alone = run(bare, "decoder", IDS, output_attentions=True)
    assert alone.cross_attentions is None
    assert alone.attentions[0].shape == (2, 2, 6, 6)
    assert not np.triu(alone.attentions[0][0, 0], 1).any()


def test_a_cache_gives_what_a_whole_pass_gives_wherever_it_is_cut(bare: Known) -> None:
    states = run(bare, "encoder", IDS, MASK).last_hidden_state
    target = masks.shift_right(IDS, bare.config)
    whole = run(bare, "decoder", target, None, None, states, MASK).last_hidden_state

    def empty(module: Any) -> Any:
        return module.get_decoder().empty_cache(states, 2, 8)

    cache = bare.model.module.apply({"params": bare.params}, method=empty)
    found, start = [], 0
    for length in (2, 1, 3):
        part = target[:, start : start + length]
        output = run(bare, "decoder", part, encoder_attention_mask=MASK, cache=cache, start=start)
        cache, start = output.past_key_values, start + length
        found.append(output.last_hidden_state)
    np.testing.assert_allclose(np.concatenate(found, axis=1), whole, atol=1e-5)
    assert cache[0].keys.shape == (2, 2, 8, 8)
    assert cache[0].source_keys.shape == (2, 2, 6, 8)


def test_beams_are_rows_of_one_source(bare: Known) -> None:
    states = run(bare, "encoder", IDS, MASK).last_hidden_state
    rows = np.repeat(IDS, 3, axis=0)
    together = run(bare, "decoder", rows, None, None, states, MASK).last_hidden_state
    apart = run(bare, "decoder", IDS, None, None, states, MASK).last_hidden_state
    np.testing.assert_allclose(together, np.repeat(apart, 3, axis=0), atol=1e-5)


def test_layers_are_left_out_by_chance_in_training_only() -> None:
    made = known("bart", "none", encoder_layerdrop=1.0, encoder_layers=2, dropout=0.0)
    still = run(made, "encoder", IDS, output_hidden_states=True)
    dropped = made.model.module.apply(
        {"params": made.params},
        method=lambda module: module.get_encoder()(IDS, output_hidden_states=True, deterministic=False),
        rngs={"dropout": KEY},
    )
    np.testing.assert_array_equal(dropped.hidden_states[0], dropped.last_hidden_state)
    assert not np.allclose(still.hidden_states[0], still.last_hidden_state)


def test_layers_run_again_in_the_backward_pass_give_the_same_gradients() -> None:
    made = known("bart", "none")

    def gradients(again: bool) -> Any:
        module = made.model.module.clone(gradient_checkpointing=again)

        def loss(params: Any) -> Any:
            states = module.apply({"params": params}, IDS, MASK, method="encode").last_hidden_state
            return (states * jnp.cos(jnp.arange(16))).sum()

        encoder = {name: made.params[name] for name in ("encoder", "shared")}
        text = str(jax.make_jaxpr(jax.grad(loss))(encoder))
        assert ("remat" in text) is again
        return jax.grad(loss)(encoder)

    jax.tree_util.tree_map(
        lambda one, other: np.testing.assert_allclose(one, other, atol=1e-4), gradients(True), gradients(False)
    )


def test_records_keep_only_what_was_asked_for() -> None:
    record = Record.of(attentions=True, hidden_states=False)
    record.state(KEY)
    record.weights(KEY, None)
    assert record.fields("hidden_states", "attentions", "cross_attentions") == {
        "hidden_states": None,
        "attentions": (KEY,),
        "cross_attentions": (),
    }


def test_a_table_of_tokens_is_scaled_where_the_configuration_says() -> None:
    made = known()
    assert token_embedding(made.config, jnp.float32).embed_scale == math.sqrt(16)
    made.config.scale_embedding = False
    assert token_embedding(made.config, jnp.float32).embed_scale == 1.0


def test_a_stack_stands_alone_too() -> None:
    config = known().config
    encoder = Encoder(config, token_embedding(config, jnp.float32))
    shapes = jax.eval_shape(encoder.init, KEY, IDS)["params"]
    assert shapes["embed_tokens"]["embedding"].shape == (VOCABULARY, 16)
    assert shapes.keys() == {"embed_tokens", "embed_positions", "layernorm_embedding", "layers"}
    assert jax.eval_shape(Decoder(config, encoder.embed_tokens).init, KEY, IDS)["params"].keys() == shapes.keys()
