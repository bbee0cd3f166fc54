from typing import Any

import numpy as np
import pytest

from bartleby.errors import LengthError, ShapeError
from bartleby.family import reference
from tests.parity.random_models import MODEL_TYPES, random_batch, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from tests.backends.keras.reference_models import known

IDS, MASK = random_batch(seeded("keras modeling"), rows=2, longest=6)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_stacks_equal_the_definition(model_type: str) -> None:
    made = known(model_type)
    states = reference.encode(made.weights, made.config, IDS, MASK)
    encoder, decoder = made.model.get_encoder(), made.model.get_decoder()
    np.testing.assert_allclose(encoder(IDS, attention_mask=MASK).last_hidden_state, states, atol=1e-5)
    decoded = reference.decode(made.weights, made.config, IDS, states, MASK, MASK)
    output = decoder(IDS, attention_mask=MASK, encoder_hidden_states=states, encoder_attention_mask=MASK)
    np.testing.assert_allclose(output.last_hidden_state, decoded, atol=1e-5)


def test_states_and_weights_are_recorded_layer_by_layer() -> None:
    made = known()
    output = made.model.model(IDS, MASK, output_attentions=True, output_hidden_states=True)
    assert [each.shape for each in output.encoder_attentions] == [(2, 4, 6, 6)]
    assert [each.shape for each in output.decoder_attentions] == [(2, 2, 6, 6)] * 2
    assert [each.shape for each in output.cross_attentions] == [(2, 2, 6, 6)] * 2
    assert [each.shape for each in output.decoder_hidden_states] == [(2, 6, 16)] * 3
    np.testing.assert_array_equal(output.decoder_hidden_states[-1], output.last_hidden_state)
    assert np.triu(output.decoder_attentions[0][0, 0], 1).max() == 0
    assert np.asarray(output.cross_attentions[0])[MASK[:, None, None].repeat(2, 1).repeat(6, 2) == 0].max() == 0


@pytest.mark.parametrize("compiled", [False, True])
def test_steps_equal_a_whole_pass(compiled: bool) -> None:
    """With room for more, two beams a source, a prompt of two tokens, and the position told by the graph."""
    made = known("blenderbot-small")
    states = reference.encode(made.weights, made.config, IDS, MASK)
    target = seeded("steps").integers(4, 50, (4, 5))
    whole = reference.decode(made.weights, made.config, target, states.repeat(2, 0), MASK.repeat(2, 0))
    decoder = made.model.get_decoder()

    @tf.function(jit_compile=compiled)
    def steps(target: tf.Tensor, states: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        cache = decoder.empty_cache(states, 4, 9)
        hidden, cache = decoder.step(target[:, :2], 0, cache, mask, None)
        found = [hidden]
        for place in range(2, 5):
            hidden, cache = decoder.step(target[:, place : place + 1], tf.constant(place), cache, mask, None)
            found.append(hidden)
        return tf.concat(found, axis=1)

    found = steps(tf.constant(target), tf.constant(states), tf.constant(MASK))
    np.testing.assert_allclose(found, whole[:, 1:], atol=1e-5)


def test_pads_of_a_prompt_are_not_looked_at() -> None:
    made = known(head="causal_lm")
    decoder = made.model.get_decoder()
    mask = np.array([[0, 1, 1, 1], [1, 1, 1, 1]])
    ids = IDS[:, :3]
    whole = decoder(ids, attention_mask=mask[:, :3]).last_hidden_state
    cache = decoder.empty_cache(None, 2, 4)
    hidden, cache = decoder.step(ids, 0, cache, None, mask)
    np.testing.assert_allclose(hidden, whole[:, 2:], atol=1e-6)
    assert cache[0].source_keys is None


def test_layers_are_left_out_only_in_training() -> None:
    made = known(decoder_layerdrop=1.0, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0)
    decoder = made.model.get_decoder()
    output = decoder(IDS, output_hidden_states=True, training=True)
    np.testing.assert_array_equal(output.hidden_states[0], output.hidden_states[-1])
    assert not np.allclose(decoder(IDS).last_hidden_state, output.last_hidden_state)


@pytest.mark.parametrize(
    ("inputs", "error", "told"),
    [
        ({}, ShapeError, "both or none were"),
        ({"input_ids": IDS, "inputs_embeds": np.ones((2, 6, 16))}, ShapeError, "both or none were"),
        ({"input_ids": IDS[0]}, ShapeError, r"must have 2 axes \(batch, length\).* \(6,\)"),
        ({"inputs_embeds": np.ones((2, 16))}, ShapeError, r"reads vectors of shape"),
        ({"inputs_embeds": np.ones((2, 3, 8))}, ShapeError, r"vectors of 16 numbers, but was given \(2, 3, 8\)"),
        ({"input_ids": IDS, "head_mask": np.ones((3, 4))}, ShapeError, r"\(1, 4\), but is \(3, 4\)"),
        ({"input_ids": np.ones((1, 25), int)}, LengthError, "25 tokens, but this model has 24 positions"),
        ({"input_ids": IDS, "attention_mask": MASK[:, :4]}, ShapeError, "cover the 6 source tokens, but covers 4"),
    ],
)
def test_what_a_stack_cannot_read_is_refused(inputs: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        known().model.get_encoder()(**inputs)
