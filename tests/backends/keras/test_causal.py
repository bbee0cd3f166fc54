import numpy as np
import pytest

from bartleby.family import reference
from tests.parity.random_models import MODEL_TYPES, random_batch, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from tests.backends.keras.reference_models import known

IDS, MASK = random_batch(seeded("keras causal"), rows=2, longest=6)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("tied", [True, False])
def test_scores_equal_the_definition(model_type: str, tied: bool) -> None:
    made = known(model_type, "causal_lm", tie_word_embeddings=tied)
    wanted = reference.lm_logits(made.weights, reference.decode(made.weights, made.config, IDS, None, None, MASK))
    np.testing.assert_allclose(made.model(IDS, MASK).logits, wanted, atol=1e-5)


def test_the_callers_config_is_left_as_it_was() -> None:
    made = known(head="causal_lm")
    assert (made.config.is_decoder, made.config.is_encoder_decoder) == (True, False)
    config = known().config
    type(made.model)(config)
    assert (config.is_decoder, config.is_encoder_decoder) == (False, True)


def test_encoder_states_are_looked_at_where_given() -> None:
    made = known(head="causal_lm")
    states = seeded("states").standard_normal((2, 5, 16)).astype(np.float32)
    wanted = reference.lm_logits(made.weights, reference.decode(made.weights, made.config, IDS, states))
    output = made.model(IDS, encoder_hidden_states=states, output_attentions=True)
    np.testing.assert_allclose(output.logits, wanted, atol=1e-5)
    assert output.cross_attentions[0].shape == (2, 2, 6, 5)


def test_labels_are_not_moved() -> None:
    model = known(head="causal_lm").model
    output = model(IDS, labels=np.where(MASK, IDS, -100))
    assert output.loss.shape == (MASK.sum(),)
    np.testing.assert_allclose(
        output.loss, model.hf_compute_loss(tf.constant(np.where(MASK, IDS, -100)), output.logits), atol=1e-6
    )


def test_a_past_and_steps_equal_a_whole_pass() -> None:
    model = known(head="causal_lm").model
    whole = model(IDS).logits
    past = model(IDS[:, :5]).past_key_values
    inputs = model.prepare_inputs_for_generation(IDS, past_key_values=past)
    np.testing.assert_allclose(model(inputs).logits, whole[:, 5:], atol=1e-5)
    scores, cache = model.step(IDS[:, :4], 0, model.start_cache(None, 2, 8), None, None)
    np.testing.assert_allclose(scores, whole[:, 3], atol=1e-5)
    scores, _ = model.step(IDS[::-1, 4:5], tf.constant(4), model.reorder_cache(cache, [1, 0]), None, None)
    np.testing.assert_allclose(scores, whole[::-1, 4], atol=1e-5)


def test_tables_can_be_replaced() -> None:
    model = known(head="causal_lm").model
    assert model.get_output_embeddings() is model.get_input_embeddings() is model.get_decoder().embed_tokens
    model.resize_token_embeddings(60)
    assert model(IDS).logits.shape == (2, 6, 60)
    assert model.config.vocab_size == 60


def test_the_wrapper_can_be_called() -> None:
    model = known(head="causal_lm").model
    np.testing.assert_array_equal(
        model.model(IDS, attention_mask=MASK)[0], model.get_decoder()(IDS, attention_mask=MASK)[0]
    )
