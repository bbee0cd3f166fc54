import numpy as np
import pytest

from bartleby.errors import ShapeError
from bartleby.family import reference
from tests.parity.random_models import random_batch, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import tensorflow as tf

from bartleby.backends.keras.readers import ClassificationHead, last_eos_state
from tests.backends.keras.reference_models import known

IDS, MASK = random_batch(seeded("keras readers"), rows=3, longest=6)
ANY_SIZE = tf.TensorSpec((None, None), tf.int32)


def test_labels_equal_the_definition_eagerly_and_in_graphs() -> None:
    made = known(head="sequence_classification")
    wanted = reference.classify(made.weights, made.config, IDS, MASK)
    np.testing.assert_allclose(made.model(IDS, MASK).logits, wanted, atol=1e-5)
    graph = tf.function(lambda ids, mask: made.model(ids, mask).logits, input_signature=[ANY_SIZE] * 2)
    np.testing.assert_allclose(graph(IDS.astype("i4"), MASK.astype("i4")), wanted, atol=1e-5)
    compiled = tf.function(lambda ids, mask: made.model(ids, mask).logits, jit_compile=True)
    np.testing.assert_allclose(compiled(IDS, MASK), wanted, atol=1e-5)


def test_a_label_has_its_own_loss() -> None:
    made = known(head="sequence_classification")
    output = made.model(IDS, MASK, labels=np.array([0, 1, 2]))
    chances = output.logits - np.log(np.exp(output.logits).sum(-1, keepdims=True))
    np.testing.assert_allclose(output.loss, -np.diag(chances), atol=1e-5)
    assert made.config.problem_type == "single_label_classification"
    assert output.past_key_values is None


def test_rows_without_one_last_eos_are_refused() -> None:
    hidden = tf.zeros((2, 3, 4))
    uneven = tf.constant([[5, 2, 2], [5, 6, 2]])
    with pytest.raises(ShapeError, match=r"same number of eos tokens \(id 2\).* The rows hold \[2, 1\]"):
        last_eos_state(hidden, uneven, 2)
    with pytest.raises(ShapeError, match=r"The rows hold \[0, 0\]"):
        last_eos_state(hidden, uneven, None)
    with pytest.raises(ShapeError, match="The decoder read 3 tokens, but the eos is looked for among 2"):
        last_eos_state(hidden, uneven[:, :2], 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="same number of eos"):
        tf.function(last_eos_state)(hidden, uneven, 2)
    with pytest.raises(ShapeError, match="needs `input_ids`, not embeddings"):
        known(head="sequence_classification").model(inputs_embeds=np.ones((1, 2, 16)))


def test_the_last_of_several_kinds_of_eos_is_read() -> None:
    hidden = tf.reshape(tf.range(6.0), (2, 3, 1))
    state = last_eos_state(hidden, tf.constant([[2, 3, 5], [5, 2, 3]]), [2, 3])
    assert state.numpy().tolist() == [[1], [5]]


def test_the_head_drops_only_in_training() -> None:
    head = ClassificationHead(16, 3, 0.5, name="head")
    states = tf.ones((4, 16))
    np.testing.assert_array_equal(head(states), head(states))
    assert not np.allclose(head(states, training=True), head(states, training=True))


def test_spans_equal_the_definition() -> None:
    made = known(head="question_answering")
    starts, ends = reference.spans(made.weights, made.config, IDS, MASK)
    output = made.model(IDS, MASK)
    np.testing.assert_allclose(output.start_logits, starts, atol=1e-5)
    np.testing.assert_allclose(output.end_logits, ends, atol=1e-5)
    assert output.loss is None


def test_an_answer_cut_off_is_ignored() -> None:
    made = known(head="question_answering")
    output = made.model(IDS, MASK, start_positions=np.array([0, 1, 99]), end_positions=np.array([[2], [99], [99]]))
    start = -np.log(np.exp(output.start_logits)[[0, 1], [0, 1]] / np.exp(output.start_logits[:2]).sum(-1))
    end = -np.log(np.exp(output.end_logits)[0, 2] / np.exp(output.end_logits[0]).sum())
    np.testing.assert_allclose(output.loss, [(start.mean() + end) / 2], atol=1e-5)
    none = made.model(IDS, MASK, start_positions=np.full(3, 99), end_positions=np.full(3, 99))
    assert none.loss.numpy().tolist() == [0]
