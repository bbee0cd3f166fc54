import numpy as np
import pytest

from bartleby.family import reference
from tests.parity.random_models import MODEL_TYPES, random_batch, seeded

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from tests.backends.flax.reference_models import known

IDS, MASK = random_batch(seeded("flax causal"), rows=2, longest=6)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("tied", [True, False])
def test_scores_equal_the_definition(model_type: str, tied: bool) -> None:
    made = known(model_type, "causal_lm", tie_word_embeddings=tied)
    states = np.asarray(jax.random.normal(jax.random.PRNGKey(0), (2, 4, 16)))
    for source in (None, states):
        decoded = reference.decode(made.weights, made.config, IDS, source, None, MASK)
        output = made.model.module.apply({"params": made.params}, IDS, MASK, None, source)
        np.testing.assert_allclose(output.logits, reference.lm_logits(made.weights, decoded), atol=2e-5)


def test_the_decoder_has_the_name_it_has_in_a_full_checkpoint() -> None:
    made = known("bart", "causal_lm")
    assert made.params.keys() == {"model"}
    assert made.params["model"].keys() == {"decoder"}
    shapes = jax.tree_util.tree_map(jnp.shape, made.params)
    assert shapes == jax.tree_util.tree_map(lambda leaf: leaf.shape, made.model.params_shape_tree)
