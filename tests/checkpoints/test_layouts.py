from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.checkpoints.layouts import (
    from_flax,
    from_tensorflow,
    is_turned,
    tensorflow_order,
    tensorflow_root,
    to_flax,
    to_tensorflow,
    translated,
    turned,
)
from bartleby.checkpoints.tensors import held
from bartleby.errors import CheckpointError
from bartleby.family.config import CONFIG_CLASSES
from bartleby.family.parameters import Head, parameter_table

HEADS: tuple[Head, ...] = (
    "none",
    "conditional_generation",
    "sequence_classification",
    "question_answering",
    "causal_lm",
)
each_model = pytest.mark.parametrize("model_type", list(CONFIG_CLASSES))
each_head = pytest.mark.parametrize("head", HEADS)


def names(model_type: str, head: Head) -> list[str]:
    config = CONFIG_CLASSES[model_type](encoder_layers=1, decoder_layers=11)
    return [parameter.name for parameter in parameter_table(config, head)]


@each_model
@each_head
def test_every_name_comes_back_from_either_framework(model_type: str, head: Head) -> None:
    for name in names(model_type, head):
        assert from_tensorflow(to_tensorflow(name, "tf_model")) == name
        assert from_flax(to_flax(name)) == name


@each_model
@each_head
def test_exactly_the_matrices_of_linear_layers_lie_the_other_way_round(model_type: str, head: Head) -> None:
    config = CONFIG_CLASSES[model_type](encoder_layers=1, decoder_layers=1)
    for parameter in parameter_table(config, head):
        linear = parameter.kind == "linear" and parameter.name.endswith("weight")
        assert is_turned(to_flax(parameter.name)) == linear
        assert is_turned(to_tensorflow(parameter.name, "tf_model")) == linear


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("model/tf_bart_model/model/encoder/layers.0/fc1/kernel:0", "model.encoder.layers.0.fc1.weight"),
        ("tf_bart_model/model/encoder/layers_._3/fc1/bias:0", "model.encoder.layers.3.fc1.bias"),
        ("model/decoder/embed_positions/weight:0", "model.decoder.embed_positions.weight"),
        ("model/tf_bart_model/model/decoder/layernorm_embedding/beta:0", "model.decoder.layernorm_embedding.bias"),
        ("model/model.shared/model.shared/embeddings:0", "model.shared.weight"),
        ("tf_bart_for_conditional_generation/model/shared/weight:0", "model.shared.weight"),
        ("final_logits_bias/final_logits_bias:0", "final_logits_bias"),
        ("tf_bart_for_conditional_generation/final_logits_bias:0", "final_logits_bias"),
        ("classification_head/tf_x/classification_head/dense/kernel:0", "classification_head.dense.weight"),
        ("top/lm_head", "top.lm_head"),
        ("optimizer/iterations:0", "optimizer.iterations"),
    ],
)
def test_names_of_all_tensorflow_releases_are_understood(name: str, canonical: str) -> None:
    assert from_tensorflow(name) == canonical


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("params/model/shared/embedding", "model.shared.weight"),
        ("encoder/layers/11/self_attn/q_proj/kernel", "model.encoder.layers.11.self_attn.q_proj.weight"),
        ("shared/embedding", "model.shared.weight"),
        ("lm_head/kernel", "lm_head.weight"),
        ("batch_stats/mean", "batch_stats.mean"),
    ],
)
def test_names_of_flax_are_understood(name: str, canonical: str) -> None:
    assert from_flax(name) == canonical


@pytest.mark.parametrize(
    ("class_name", "root"),
    [
        ("TFBartModel", "tf_bart_model"),
        ("TFBartForConditionalGeneration", "tf_bart_for_conditional_generation"),
        ("TFBlenderbotSmallForConditionalGeneration", "tf_blenderbot_small_for_conditional_generation"),
    ],
)
def test_kerass_spelling_of_classes(class_name: str, root: str) -> None:
    assert tensorflow_root(class_name) == root


def test_layers_are_ordered_by_number_not_by_letter() -> None:
    ordered = sorted(names("bart", "none"), key=tensorflow_order)
    layers = [int(name.split(".")[3]) for name in ordered if name.startswith("model.decoder.layers.")]
    assert layers == sorted(layers)
    assert layers[-1] == 10


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3))
def test_turning_twice_changes_nothing(shape: list[int]) -> None:
    array = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    once = turned(held(array))
    assert once.shape == array.T.shape
    assert np.array_equal(once.raw(), array.T)
    assert np.array_equal(turned(once).raw(), array)
    assert once.raw().flags.c_contiguous


def test_two_names_of_one_parameter_are_refused() -> None:
    tensors = [
        replace(held(np.ones(2)), name=name) for name in ("encoder/layer_norm/scale", "encoder/layer_norm/weight")
    ]
    with pytest.raises(CheckpointError, match=r"scale` and `.*weight` are both names of the parameter"):
        translated(tensors, from_flax, Path("flax_model.msgpack"))


def test_a_translated_tensor_remembers_its_name() -> None:
    [tensor] = translated([replace(held(np.ones((2, 3))), name="lm_head/kernel")], from_flax, Path("f")).values()
    assert (tensor.name, tensor.origin, tensor.shape) == ("lm_head.weight", "lm_head/kernel", (3, 2))
