from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.errors import ArgumentError, ConfigError, ShapeError
from tests.parity.random_models import random_batch, seeded, small_bart

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import keras
import tensorflow as tf

from bartleby.backends.keras import models
from tests.backends.keras.reference_models import known

IDS, MASK = random_batch(seeded("keras model"), rows=2, longest=5)


def test_variables_are_there_at_once_under_published_names() -> None:
    model = models.TFBartForConditionalGeneration(small_bart())
    assert model.built
    name = "model.encoder.layers.0.self_attn.k_proj.weight"
    variable = model.variables_by_name()[name]
    assert variable.path == f"{model.name}/model/encoder/layers.0/self_attn/k_proj/kernel"
    assert model.num_parameters() == model.count_params()
    assert model.num_parameters() - model.num_parameters(only_trainable=True) == 50


def test_dropout_leaves_no_variables_behind() -> None:
    assert len(known(dropout=0.5).model.weights) == len(known().model.variables_by_name())


@pytest.mark.parametrize(
    ("arguments", "named", "told"),
    [
        ((), {"dtype": "float16"}, "`dtype` is no argument"),
        (("model",), {}, "`load_weight_prefix` must be None"),
        ((None, 3), {}, "1 more arguments by position"),
    ],
)
def test_what_a_constructor_does_not_take_is_refused(arguments: Any, named: dict[str, Any], told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        models.TFBartModel(small_bart(), *arguments, **named)


def test_a_config_of_another_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a BlenderbotConfig, but was given a BartConfig"):
        models.TFBlenderbotModel(small_bart())


def test_dummies_are_enough_for_a_pass() -> None:
    for head in ("none", "conditional_generation", "causal_lm", "sequence_classification"):
        model = known(head=head).model
        assert model(model.dummy_inputs)[0].shape[0] == 1
        assert model.dummy_inputs.keys() == model.input_signature.keys()


def test_keras_saves_and_loads_a_whole_model(tmp_path: Path) -> None:
    model = known("blenderbot-small", tie_word_embeddings=False).model
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded(IDS).logits, model(IDS).logits)
    assert type(type(model).from_config(model.config)) is type(model)


def test_a_loaded_model_goes_on_training(tmp_path: Path) -> None:
    model = known(dropout=0.0, attention_dropout=0.0, activation_dropout=0.0).model
    model.compile("adam", run_eagerly=True)
    model.fit({"input_ids": IDS, "labels": IDS}, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.iterations == 1
    loss = loaded.evaluate({"input_ids": IDS, "labels": IDS}, verbose=0)
    assert loaded.fit({"input_ids": IDS, "labels": IDS}, verbose=0).history["loss"][0] == pytest.approx(loss, abs=1e-3)


def test_an_exported_model_computes_the_same(tmp_path: Path) -> None:
    model = known().model
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    served = loaded.serve(model.dummy_inputs)
    np.testing.assert_allclose(served["logits"], model(model.dummy_inputs).logits, atol=1e-6)
    assert served["past_key_values"].shape == (2, 2, 1, 2, 2, 8)
    with pytest.raises(ArgumentError, match="`signatures` is no argument of `export`"):
        model.export(tmp_path / "exported", signatures=None)


def test_computing_in_halves_keeps_whole_variables() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = known().model
    finally:
        keras.config.set_dtype_policy("float32")
    output = model(IDS, MASK, labels=IDS)
    assert (output.logits.dtype, output.loss.dtype) == (tf.float16, tf.float32)
    assert model.weights[0].dtype == "float32"
    for options in ({}, {"return_dict_in_generate": True, "output_attentions": True}):
        assert np.shape(model.generate(IDS, max_new_tokens=3, **options)[0])
    np.testing.assert_allclose(output.logits, known().model(IDS, MASK, labels=IDS).logits, atol=0.1)


def test_head_masks_get_the_published_axes() -> None:
    model = known().model
    assert model.get_head_mask(None, 3) == [None] * 3
    assert model.get_head_mask(np.ones(4), 3).shape == (3, 1, 4, 1, 1)
    assert model.get_head_mask(np.ones((3, 4)), 3).shape == (3, 1, 4, 1, 1)
    with pytest.raises(ShapeError, match="1 or 2 axes"):
        model.get_head_mask(np.ones((1, 1, 1)), 1)


def test_pruned_heads_are_as_if_masked_and_are_remembered() -> None:
    model = known().model
    mask = np.array([[1, 0, 1, 0]], np.float32)
    masked = model(IDS, MASK, head_mask=mask).logits
    model.prune_heads({0: [1]})
    model.prune_heads({0: [3]})
    np.testing.assert_allclose(model(IDS, MASK).logits, masked, atol=1e-5)
    again = type(model)(model.config)
    assert {name: each.shape for name, each in again.variables_by_name().items()} == {
        name: each.shape for name, each in model.variables_by_name().items()
    }
    with pytest.raises(ConfigError, match="in 1 encoder layers"):
        model.prune_heads({1: [0]})
    with pytest.raises(ConfigError, match="in 0 encoder layers"):
        known(head="causal_lm").model.prune_heads({0: [0]})


def test_heads_without_an_output_say_so() -> None:
    model = known(head="none").model
    assert (
        model.get_output_embeddings() is model.get_lm_head() is model.get_bias() is model.get_prefix_bias_name() is None
    )
    with pytest.raises(ConfigError, match="no projection to tokens"):
        model.set_output_embeddings(model.shared)
    with pytest.raises(ConfigError, match="adds no bias"):
        model.set_bias({})


def test_another_table_takes_the_place_of_all_that_are_tied() -> None:
    model = known().model
    count = len(model.weights)
    table = keras.layers.Embedding(50, 16)
    table.build()
    model.set_input_embeddings(table)
    assert model.get_input_embeddings() is model.get_encoder().embed_tokens is model.get_output_embeddings() is table
    assert len(model.weights) == count
    assert model(IDS).logits.shape == (2, 5, 50)


def test_a_bare_model_is_its_own_model(tmp_path: Path) -> None:
    model = known(head="none").model
    assert model.model.encoder is model.get_encoder()
    assert not hasattr(model, "modell")
    model.save_weights(tmp_path / "model.weights.h5")
    other = type(model)(model.config)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(IDS)[0], model(IDS)[0])
