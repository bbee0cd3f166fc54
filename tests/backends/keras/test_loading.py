import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints.layouts import is_turned, to_flax
from bartleby.errors import CheckpointError, ConfigError, HubError, MismatchError, OptionError
from tests.backends.checkpoint_folders import GENERATION, own_weights, save
from tests.parity.random_models import small_bart

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import keras

from bartleby.backends.keras import models

Writer, Bare = models.TFBartForConditionalGeneration, models.TFBartModel
Classifier = models.TFBartForSequenceClassification
LOGGER = "bartleby.backends.report"


def assert_holds(model: Any, weights: dict[str, Any]) -> None:
    """The model has these canonical weights and no others."""
    variables = model.variables_by_name()
    assert variables.keys() == weights.keys()
    for name, variable in variables.items():
        expected = weights[name].T if is_turned(to_flax(name)) else weights[name]
        np.testing.assert_array_equal(np.asarray(variable.numpy(), np.float32), expected, err_msg=name)


@pytest.fixture
def halved() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["safetensors", "flax", "tensorflow"])
def test_numbers_are_those_of_the_file_in_the_type_of_the_policy(tmp_path: Path, kind: str, dtype: str) -> None:
    if (kind, dtype) == ("tensorflow", "bfloat16"):
        pytest.skip("HDF5 has no such type")
    weights = save(tmp_path, kind=kind, dtype=dtype)
    model = Writer.from_pretrained(tmp_path)
    assert_holds(model, weights)
    assert (model.config.dtype, model.config.name_or_path) == ("float32", str(tmp_path))


def test_another_policy_keeps_other_types(tmp_path: Path, halved: None) -> None:
    weights = save(tmp_path, dtype="bfloat16")
    model = Writer.from_pretrained(tmp_path)
    assert {each.dtype for each in model.weights} == {"bfloat16"}
    assert_holds(model, weights)
    assert model.config.dtype == "bfloat16"


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_loads_what_another_head_saved(tmp_path: Path, tied: bool) -> None:
    config = small_bart(tie_word_embeddings=tied)
    weights = save(tmp_path, config)
    body = {name: array for name, array in weights.items() if name.startswith("model.")}
    assert_holds(Bare.from_pretrained(tmp_path), body)
    save(tmp_path / "bare", config, "none", "tensorflow", body)
    loaded, info = Classifier.from_pretrained(tmp_path / "bare", output_loading_info=True)
    assert set(info["missing_keys"]) == own_weights(config, "sequence_classification").keys() - body.keys()
    assert np.array_equal(loaded.variables_by_name()["model.shared.weight"].numpy(), body["model.shared.weight"])


def test_a_missing_head_is_drawn_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, head="none")
    with caplog.at_level(logging.WARNING, LOGGER):
        model = Classifier.from_pretrained(tmp_path, num_labels=5)
    assert "classification_head.dense.weight" in caplog.text
    variables = model.variables_by_name()
    assert variables["classification_head.out_proj.weight"].shape == (16, 5)
    assert variables["classification_head.out_proj.weight"].numpy().any()
    assert not variables["classification_head.out_proj.bias"].numpy().any()


def test_bodies_with_holes_and_wrong_shapes_are_refused_or_drawn(tmp_path: Path) -> None:
    weights = own_weights(small_bart())
    gone = "model.encoder.layers.0.fc1.weight"
    save(tmp_path, weights={name: array for name, array in weights.items() if name != gone})
    with pytest.raises(CheckpointError, match=f"`{gone}` is missing"):
        Writer.from_pretrained(tmp_path)
    _, info = Writer.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == [gone]
    save(tmp_path, weights=weights)
    with pytest.raises(MismatchError, match="ignore_mismatched_sizes=True"):
        Writer.from_pretrained(tmp_path, vocab_size=60)
    loaded, info = Writer.from_pretrained(
        tmp_path, vocab_size=60, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert ("final_logits_bias", (1, 50), (1, 60)) in info["mismatched_keys"]
    assert loaded.variables_by_name()["model.shared.weight"].shape == (60, 16)


def test_decoding_options_come_along_and_take_changes(tmp_path: Path) -> None:
    save(tmp_path)
    options = Writer.from_pretrained(tmp_path, num_beams=5).generation_config
    assert options is not None
    assert (options.num_beams, options.max_length) == (5, GENERATION["max_length"])
    assert Bare.from_pretrained(tmp_path).generation_config is None
    assert Writer(small_bart()).generation_config is not None


def test_arguments_reach_the_config_the_constructor_and_the_reader(tmp_path: Path) -> None:
    save(tmp_path / "inner")
    model = Writer.from_pretrained(
        tmp_path, subfolder="inner", dropout=0.5, from_pt=True, name="mine", load_weight_prefix="tf_bart/rag"
    )
    assert (model.name, model.config.dropout) == ("mine", 0.5)
    config = small_bart(dropout=0.25)
    assert Writer.from_pretrained(tmp_path / "inner", config=config).config.dropout == 0.25
    with pytest.raises(CheckpointError, match=r"Leave out `use_safetensors`"):
        Writer.from_pretrained(tmp_path / "inner", use_safetensors=False)
    with pytest.raises(OptionError, match=r"`torch_dtype` must be None.*set_dtype_policy") as refusal:
        Writer.from_pretrained(tmp_path / "inner", torch_dtype="float16", device_map="auto", load_in_8bit=True)
    assert "has 3 faults" in str(refusal.value)
    with pytest.raises(ConfigError, match="dropuot"):
        Writer.from_pretrained(tmp_path / "inner", dropuot=0.5)
    with pytest.raises(HubError, match="There is no folder"):
        Writer.from_pretrained(tmp_path / "nothing")


@pytest.mark.parametrize("damage", [b"", b"\x89HDF\r\n\x1a\n", b"\xff" * 99])
def test_damaged_files_are_refused(tmp_path: Path, damage: bytes) -> None:
    save(tmp_path, kind="tensorflow")
    path = tmp_path / "tf_model.h5"
    path.write_bytes(damage or path.read_bytes()[:-4096])
    with pytest.raises(CheckpointError, match=r"tf_model\.h5"):
        Writer.from_pretrained(tmp_path)
