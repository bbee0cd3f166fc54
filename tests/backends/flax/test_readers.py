import numpy as np
import pytest

from bartleby.errors import ShapeError
from bartleby.family import masks, reference
from tests.parity.random_models import random_batch, seeded

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax.readers import ClassificationHead, last_eos_state
from tests.backends.flax.reference_models import known

IDS, MASK = random_batch(seeded("flax readers"), rows=2, longest=6)
IDS[:, -1] = 5
IDS[:, 3] = 2  # as many ends in each row, and other tokens behind them


@pytest.mark.parametrize("tied", [True, False])
def test_labels_equal_the_definition(tied: bool) -> None:
    made = known("bart", "sequence_classification", num_labels=3, tie_word_embeddings=tied)
    logits = made.model(IDS, MASK, params=made.params).logits
    np.testing.assert_allclose(logits, reference.classify(made.weights, made.config, IDS, MASK), atol=1e-5)


def test_spans_equal_the_definition() -> None:
    made = known("bart", "question_answering")
    output = made.model(IDS, MASK, params=made.params)
    for ours, theirs in zip(output.to_tuple(), reference.spans(made.weights, made.config, IDS, MASK), strict=False):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert [*output] == ["start_logits", "end_logits", "encoder_last_hidden_state"]


def test_the_last_end_is_found_also_where_it_cannot_be_looked_at() -> None:
    hidden = jnp.arange(12.0).reshape(2, 3, 2)
    ids = np.array([[2, 2, 5], [2, 4, 2]])
    expected = masks.last_eos(np.asarray(hidden), ids, 2)
    np.testing.assert_array_equal(last_eos_state(hidden, jnp.asarray(ids), 2), expected)
    traced = jax.jit(last_eos_state, static_argnums=2)(hidden, ids, 2)
    np.testing.assert_array_equal(traced, expected)
    np.testing.assert_array_equal(last_eos_state(hidden, jnp.array([[9, 5, 5], [5, 5, 2]]), [2, 9])[0], hidden[0, 0])


@pytest.mark.parametrize("ids", [[[5, 5, 2], [5, 2, 2]], [[5, 5, 5], [5, 5, 5]]])
def test_rows_with_other_numbers_of_ends_are_refused(ids: list[list[int]]) -> None:
    with pytest.raises(ShapeError, match="Every row must hold the same number of eos tokens"):
        last_eos_state(jnp.ones((2, 3, 2)), jnp.array(ids), 2)


def test_decoder_inputs_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError, match="The decoder read 4 tokens, but the eos is looked for among 3"):
        last_eos_state(jnp.ones((1, 4, 2)), jnp.array([[5, 5, 2]]), 2)


def test_the_head_drops_by_chance_in_training() -> None:
    head = ClassificationHead(known("bart", "sequence_classification", classifier_dropout=0.5, num_labels=3).config)
    states, key = jnp.ones((1, 16)), jax.random.PRNGKey(0)
    variables = head.init(key, states)
    still = head.apply(variables, states)
    drawn = [head.apply(variables, states, False, rngs={"dropout": jax.random.PRNGKey(seed)}) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2])
    assert not np.allclose(drawn[0], still)
