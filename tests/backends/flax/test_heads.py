from typing import Any

import numpy as np
import pytest

from bartleby.family import masks, reference
from tests.parity.random_models import MODEL_TYPES, random_batch, seeded

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from tests.backends.flax.reference_models import known

IDS, MASK = random_batch(seeded("flax heads"), rows=2, longest=6)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("tied", [True, False])
def test_scores_equal_the_definition(model_type: str, tied: bool) -> None:
    made = known(model_type, tie_word_embeddings=tied)
    target = masks.shift_right(IDS, made.config)
    states = reference.encode(made.weights, made.config, IDS, MASK)
    decoded = reference.decode(made.weights, made.config, target, states, MASK)
    output = made.model.module.apply({"params": made.params}, IDS, MASK, target)
    np.testing.assert_allclose(output.logits, reference.lm_logits(made.weights, decoded), atol=2e-5)
    np.testing.assert_allclose(output.encoder_last_hidden_state, states, atol=1e-5)


def test_the_module_gives_a_tuple_in_the_published_order() -> None:
    made = known()
    target = masks.shift_right(IDS, made.config)
    named = made.model.module.apply({"params": made.params}, IDS, MASK, target, output_attentions=True)
    plain = made.model.module.apply(
        {"params": made.params}, IDS, MASK, target, output_attentions=True, return_dict=False
    )
    assert [*named] == [
        "logits",
        "decoder_attentions",
        "cross_attentions",
        "encoder_last_hidden_state",
        "encoder_attentions",
    ]
    assert len(plain) == 5
    np.testing.assert_array_equal(plain[3], named.encoder_last_hidden_state)


def test_parameters_are_those_of_the_table_tied_or_not() -> None:
    for tied in (True, False):
        made = known(tie_word_embeddings=tied)
        shapes = jax.tree_util.tree_map(lambda leaf: leaf.shape, made.model.params_shape_tree)
        assert shapes == jax.tree_util.tree_map(lambda leaf: leaf.shape, made.params)
        assert ("lm_head" in shapes) is not tied


def test_the_bias_is_added_and_no_gradient_reaches_it() -> None:
    made = known()
    hidden = jnp.ones((1, 1, 16))

    def scores(params: Any) -> Any:
        return made.model.module.apply({"params": params}, hidden, method="lm_logits")

    raised = {**made.params, "final_logits_bias": made.params["final_logits_bias"] + 1}
    np.testing.assert_allclose(scores(raised), scores(made.params) + 1, atol=1e-5)
    gradients = jax.grad(lambda params: scores(params).sum())(made.params)
    assert not gradients["final_logits_bias"].any()
    assert gradients["model"]["shared"]["embedding"].all()
