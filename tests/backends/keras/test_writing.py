import numpy as np
import pytest

from bartleby.family import reference
from tests.parity.random_models import random_batch, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

from bartleby.backends.keras.modeling import token_embedding
from tests.backends.keras.reference_models import known

IDS, MASK = random_batch(seeded("keras writing"), rows=2, longest=6)
HEADS = ("conditional_generation", "causal_lm")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("tied", [True, False])
def test_the_output_scores_with_the_table_that_it_has(head: str, tied: bool) -> None:
    made = known("bart", head, tie_word_embeddings=tied)
    model, hidden = made.model, seeded("states").standard_normal((2, 3, 16)).astype(np.float32)
    assert (model.get_output_embeddings() is model.get_input_embeddings()) is tied
    wanted = reference.lm_logits({"lm_head.weight": made.weights["lm_head.weight"]}, hidden)
    np.testing.assert_allclose(model.token_scores(hidden), wanted, atol=1e-5)
    np.testing.assert_allclose(model.token_scores(hidden[:, :1]), wanted[:, :1], atol=1e-5)  # one token: the other way


@pytest.mark.parametrize("head", HEADS)
def test_another_output_is_another_table_where_they_are_tied(head: str) -> None:
    made = known("bart", head)
    table = token_embedding(made.config, "other")
    made.model.set_output_embeddings(table)
    assert made.model.get_input_embeddings() is table
    assert made.model.get_decoder().embed_tokens is table


@pytest.mark.parametrize("head", HEADS)
def test_steps_over_reordered_rows_equal_a_whole_pass(head: str) -> None:
    made = known("bart", head)
    model, config = made.model, made.config
    states = None if head == "causal_lm" else model.encode_sources(IDS, MASK)
    targets = seeded("targets").integers(3, config.vocab_size, (2, 4))
    turned = [1, 0] if states is None else [0, 1]  # rows of one source alone may change places
    _, cache = model.step(targets[:, :3], 0, model.start_cache(states, 2, 4), None, None)
    scores, _ = model.step(targets[turned, 3:], 3, model.reorder_cache(cache, turned), None, None)
    past = reference.decode(made.weights, config, targets[turned], None if states is None else states.numpy())
    wanted = reference.lm_logits(made.weights, past)[:, -1]
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
