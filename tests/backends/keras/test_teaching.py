from typing import Any

import numpy as np
import pytest

from bartleby.errors import DataError, OptionError
from tests.parity.random_models import random_batch, seeded

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import keras
import tensorflow as tf

from tests.backends.keras.reference_models import known

IDS, MASK = random_batch(seeded("keras teaching"), rows=5, longest=6)
INPUTS = {"input_ids": IDS, "attention_mask": MASK}
LABELS = np.where(MASK, IDS, -100)
CLASSES = np.array([0, 1, 2, 0, 1])
STILL = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}


def own_loss(model: Any) -> float:
    return float(tf.reduce_mean(model(INPUTS, labels=LABELS).loss))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_model_trains_on_its_own_loss(compiled: bool) -> None:
    model = known(**STILL, decoder_layers=1).model
    first = own_loss(model)
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=compiled)
    assert not compiled or model.jit_compile
    losses = model.fit({**INPUTS, "labels": LABELS}, epochs=4, batch_size=5, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(first, abs=1e-4)
    assert losses[-1] < losses[0] - 0.5
    assert model.evaluate({**INPUTS, "labels": LABELS}, batch_size=5, verbose=0) == pytest.approx(
        own_loss(model), abs=1e-4
    )


def test_xla_is_used_only_when_asked_for() -> None:
    model = known().model
    model.compile()
    assert not model.jit_compile


@pytest.mark.parametrize("beside", [LABELS, {"labels": LABELS}, {"logits": LABELS}])
def test_labels_may_stand_beside_the_inputs(beside: Any) -> None:
    model = known(**STILL).model
    model.compile("sgd", "auto", run_eagerly=True)
    dataset = tf.data.Dataset.from_tensor_slices((INPUTS, beside)).batch(5)
    first = own_loss(model)
    assert model.fit(dataset, verbose=0).history["loss"][0] == pytest.approx(first, abs=1e-4)


def test_a_loss_of_keras_judges_the_logits() -> None:
    model = known(**STILL).model
    first = own_loss(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-100)
    model.compile("sgd", loss, ["sparse_categorical_accuracy"], run_eagerly=True)
    history = model.fit({**INPUTS, "labels": LABELS}, batch_size=5, verbose=0).history
    assert history["loss"][0] == pytest.approx(first, abs=1e-4)
    assert 0 <= history["sparse_categorical_accuracy"][0] <= 1


def test_metrics_go_with_the_own_loss_too() -> None:
    model = known(head="sequence_classification", num_labels=3).model
    model.compile("sgd", metrics="accuracy", run_eagerly=True)
    history = model.fit(INPUTS, CLASSES, validation_data=(INPUTS, CLASSES), verbose=0).history
    assert history.keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_rows_can_be_weighed_where_each_has_one_loss() -> None:
    model = known(head="sequence_classification", num_labels=3, classifier_dropout=0.0, **STILL).model
    model.compile("sgd", run_eagerly=True)
    weights = np.array([1.0, 0, 0, 0, 0])
    wanted = float(model(INPUTS, labels=CLASSES).loss[0]) / 5
    assert model.evaluate(INPUTS, CLASSES, sample_weight=weights, verbose=0) == pytest.approx(wanted, abs=1e-5)


def test_two_ends_are_taught_and_judged_by_name() -> None:
    model = known(head="question_answering").model
    model.compile("sgd", metrics={"start_logits": ["accuracy"], "end_logits": ["accuracy"]}, run_eagerly=True)
    ends = {"start_positions": CLASSES, "end_positions": CLASSES}
    assert "end_logits_accuracy" in model.fit(INPUTS, ends, verbose=0).history
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", {"start_logits": loss, "end_logits": loss}, run_eagerly=True)
    assert np.isfinite(model.fit({**INPUTS, **ends}, verbose=0).history["loss"][0])
    assert model.get_label_to_output_name_mapping() == {
        "start_positions": "start_logits",
        "end_positions": "end_logits",
    }


def test_what_cannot_teach_is_refused() -> None:
    model = known().model
    with pytest.raises(OptionError, match="`loss_weights` must be None"):
        model.compile("sgd", loss_weights=[1.0])
    model.compile("sgd", run_eagerly=True)
    with pytest.raises(DataError, match="put `labels` among its inputs or beside them"):
        model.fit(INPUTS, verbose=0)
    with pytest.raises(OptionError, match="`sample_weight` and `class_weight` must be None here"):
        model.fit(INPUTS, LABELS, sample_weight=np.ones(5), verbose=0)
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(DataError, match="has no labels"):
        model.fit(INPUTS, verbose=0)


@pytest.mark.parametrize("eagerly", [True, False])
def test_an_optimizer_of_other_variables_is_refused(eagerly: bool) -> None:
    model = known(encoder_layers=1, decoder_layers=1).model
    batch = {**INPUTS, "labels": LABELS}
    model.compile("sgd", run_eagerly=eagerly)
    model.fit(batch, verbose=0)
    model.resize_token_embeddings(60)
    with pytest.raises(OptionError, match="Call `compile` again, with a new optimizer"):
        model.fit(batch, verbose=0)


def test_predictions_of_all_batches_lie_end_to_end() -> None:
    model = known().model
    output = model.predict(INPUTS, batch_size=2, verbose=0)
    assert type(output).__name__ == "TFSeq2SeqLMOutput"
    np.testing.assert_allclose(output.logits, model(INPUTS).logits, atol=1e-5)
    assert output.past_key_values is None


def test_a_model_that_gives_tuples_is_taught_all_the_same() -> None:
    model = known(**STILL, return_dict=False).model
    model.compile("sgd", metrics=["sparse_categorical_accuracy"], run_eagerly=True)
    assert np.isfinite(model.fit({**INPUTS, "labels": IDS}, verbose=0).history["loss"][0])
