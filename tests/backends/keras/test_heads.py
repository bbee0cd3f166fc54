from typing import Any

import numpy as np
import pytest

from bartleby.errors import ShapeError
from bartleby.family import masks, reference
from tests.parity.random_models import MODEL_TYPES, random_batch, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from tests.backends.keras.reference_models import Known, known

IDS, MASK = random_batch(seeded("keras heads"), rows=2, longest=6)
TARGET = seeded("keras targets").integers(4, 50, (2, 4))
ANY_SIZE = tf.TensorSpec((None, None), tf.int32)


def defined(made: Known, target: Any = TARGET) -> Any:
    states = reference.encode(made.weights, made.config, IDS, MASK)
    return reference.lm_logits(made.weights, reference.decode(made.weights, made.config, target, states, MASK))


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("tied", [True, False])
def test_scores_equal_the_definition(model_type: str, tied: bool) -> None:
    made = known(model_type, tie_word_embeddings=tied)
    np.testing.assert_allclose(made.model(IDS, MASK, TARGET).logits, defined(made), atol=1e-5)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_graph_takes_any_size(model_type: str) -> None:
    made = known(model_type)
    graph = tf.function(lambda *inputs: made.model(*inputs), input_signature=[ANY_SIZE] * 3)
    output = graph(tf.constant(IDS, tf.int32), tf.constant(MASK, tf.int32), tf.constant(TARGET, tf.int32))
    np.testing.assert_allclose(output.logits, defined(made), atol=1e-5)
    assert type(output).__name__ == "TFSeq2SeqLMOutput"


def test_xla_computes_the_same() -> None:
    made = known()
    compiled = tf.function(lambda ids, mask, target: made.model(ids, mask, target).logits, jit_compile=True)
    np.testing.assert_allclose(compiled(IDS, MASK, TARGET), defined(made), atol=1e-5)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_source_is_the_target_where_none_is_given(model_type: str) -> None:
    made = known(model_type)
    target = masks.shift_right(IDS, made.config)
    np.testing.assert_allclose(made.model(IDS, MASK).logits, defined(made, target), atol=1e-5)
    vectors = made.model.get_input_embeddings()(IDS) * made.model.get_encoder().embed_scale
    both = made.model(IDS, MASK, decoder_inputs_embeds=vectors).logits
    np.testing.assert_allclose(made.model(inputs_embeds=vectors, attention_mask=MASK).logits, both, atol=1e-6)


def test_a_past_goes_on_where_it_ended() -> None:
    made = known()
    whole = made.model(IDS, MASK, TARGET)
    assert [each.shape for each in whole.past_key_values] == [(2, 2, 2, 4, 8)] * 2
    past = made.model(IDS, MASK, TARGET[:, :3]).past_key_values
    states = (whole.encoder_last_hidden_state,)
    tuples = tuple((layer[0], layer[1]) for layer in past)
    for given in (past, list(past), tuples):
        inputs = made.model.prepare_inputs_for_generation(TARGET, given, attention_mask=MASK, encoder_outputs=states)
        output = made.model(inputs)
        np.testing.assert_allclose(output.logits, whole.logits[:, 3:], atol=1e-5)
        np.testing.assert_allclose(output.past_key_values[1], whole.past_key_values[1], atol=1e-6)
    assert made.model(IDS, use_cache=False).past_key_values is None


def test_positions_of_the_next_token_follow_the_mask() -> None:
    prepare = known().model.prepare_inputs_for_generation
    mask = tf.constant([[0, 0, 1, 1], [1, 1, 1, 1]])
    assert prepare(TARGET, decoder_attention_mask=mask)["decoder_position_ids"].numpy().tolist() == [[1], [3]]
    assert prepare(TARGET)["decoder_position_ids"].numpy().tolist() == [0, 1, 2, 3]


def test_what_the_encoder_gave_is_not_computed_again() -> None:
    made = known()
    encoded = made.model.get_encoder()(IDS, attention_mask=MASK)
    for given in (encoded, encoded.to_tuple(), dict(encoded)):
        output = made.model(attention_mask=MASK, decoder_input_ids=TARGET, encoder_outputs=given)
        np.testing.assert_allclose(output.logits, defined(made), atol=1e-5)
    with pytest.raises(ShapeError, match="must be what an encoder gave"):
        made.model(IDS, encoder_outputs=3)


def test_labels_teach_what_they_are_not_told_to_skip() -> None:
    made = known()
    labels = TARGET.copy()
    labels[0, 2:], labels[1, 3] = -100, made.config.pad_token_id
    output = made.model(IDS, MASK, labels=labels)
    counts = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    scores = defined(made, masks.shift_right(labels, made.config))
    chances = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    wanted = -np.take_along_axis(chances, np.where(counts, labels, 0)[..., None], -1)[..., 0][counts]
    np.testing.assert_allclose(output.loss, wanted, atol=1e-5)
    assert output.past_key_values is None
    compiled = tf.function(lambda ids, labels: made.model(ids, MASK, labels=labels).loss, jit_compile=True)
    np.testing.assert_allclose(compiled(IDS, labels), [wanted.mean()], atol=1e-5)
    with pytest.raises(ShapeError, match=r"one label for each scored token, \(2, 6\), but have shape \(2, 4\)"):
        made.model(IDS, decoder_input_ids=IDS, labels=labels)


def test_dropout_is_drawn_anew_in_training_alone() -> None:
    model = known(dropout=0.5).model
    train = tf.function(lambda: model(IDS, training=True).logits)
    assert not np.allclose(train(), train())
    np.testing.assert_array_equal(model(IDS).logits, model(IDS, training=False).logits)


def test_every_variable_learns() -> None:
    model = known(tie_word_embeddings=False).model
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(IDS, MASK, labels=TARGET, training=True).loss)
    unused = {"shared"}  # untied, each stack has a table of its own
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        assert (gradient is None) == (variable.path.split("/")[-2] in unused), variable.path
    assert all(variable is not model.final_logits_bias for variable in model.trainable_variables)


def test_generation_methods_equal_a_whole_pass() -> None:
    made = known()
    model = made.model
    cache = model.start_cache(model.encode_sources(IDS, MASK), 4, 6)
    scores, cache = model.step(TARGET[[0, 0, 1, 1], :2], 0, cache, MASK, None)
    np.testing.assert_allclose(scores, defined(made)[[0, 0, 1, 1], 1], atol=1e-5)
    cache = model.reorder_cache(cache, tf.constant([1, 1, 3, 3]))
    scores, _ = model.step(TARGET[[0, 0, 1, 1], 2:3], tf.constant(2), cache, MASK, None)
    np.testing.assert_allclose(scores, defined(made)[[0, 0, 1, 1], 2], atol=1e-5)
    assert scores.dtype == tf.float32


def test_the_bias_is_added_and_can_be_set() -> None:
    model = known().model
    before = model(IDS).logits
    model.set_bias({"final_logits_bias": model.get_bias()["final_logits_bias"] + 1})
    np.testing.assert_allclose(model(IDS).logits, before + 1, atol=1e-5)
    assert not model.get_bias()["final_logits_bias"].trainable
    assert model.get_lm_head() is model.get_output_embeddings() is model.get_input_embeddings()
    untied = known(tie_word_embeddings=False).model
    assert untied.get_output_embeddings() is untied.lm_head
