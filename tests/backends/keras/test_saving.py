import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints.containers import open_weights
from bartleby.errors import CheckpointError, OptionError
from tests.backends.checkpoint_folders import save
from tests.parity.random_models import small_bart

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import h5py  # type: ignore[import-untyped]
import keras

from bartleby.backends.keras import models

Writer = models.TFBartForConditionalGeneration


@pytest.fixture
def model(tmp_path: Path) -> Any:
    save(tmp_path / "source")
    return Writer.from_pretrained(tmp_path / "source")


def equal(one: Any, other: Any) -> bool:
    left, right = one.variables_by_name(), other.variables_by_name()
    return left.keys() == right.keys() and all(np.array_equal(left[k].numpy(), right[k].numpy()) for k in left)


@pytest.mark.parametrize("options", [{}, {"max_shard_size": "2KB"}, {"safe_serialization": True}])
def test_what_is_saved_is_loaded_again(tmp_path: Path, model: Any, options: dict[str, Any]) -> None:
    model.save_pretrained(tmp_path / "saved", **options)
    loaded = Writer.from_pretrained(tmp_path / "saved")
    assert equal(loaded, model)
    assert loaded.generation_config.num_beams == 3


def test_a_folder_is_in_the_published_layout(tmp_path: Path, model: Any) -> None:
    model.save_pretrained(tmp_path / "saved")
    assert sorted(os.listdir(tmp_path / "saved")) == ["config.json", "generation_config.json", "tf_model.h5"]
    fields = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert (fields["architectures"], fields["torch_dtype"]) == (["BartForConditionalGeneration"], "float32")
    with h5py.File(tmp_path / "saved" / "tf_model.h5") as file:
        kernel = file["model/tf_bart_for_conditional_generation/model/encoder/layers.0/fc1/kernel:0"]
        assert kernel.shape == (16, 8)
        assert list(file.attrs["layer_names"]) == ["model", "final_logits_bias"]
    models.TFBartModel.from_pretrained(tmp_path / "saved").save_pretrained(tmp_path / "bare")
    with h5py.File(tmp_path / "bare" / "tf_model.h5") as file:
        assert "tf_bart_model" in file["model"]
    assert not (tmp_path / "bare" / "generation_config.json").exists()


def test_safetensors_have_the_names_of_pytorch(tmp_path: Path, model: Any) -> None:
    model.save_pretrained(tmp_path / "saved")
    model.save_pretrained(tmp_path / "saved", safe_serialization=True)
    assert not (tmp_path / "saved" / "tf_model.h5").exists()  # which would be read first
    with open_weights(tmp_path / "saved") as ours, open_weights(tmp_path / "source") as source:
        assert ours.names() == source.names()
        for name in source.names():
            assert np.array_equal(ours.raw(name), source.raw(name)), name


def test_what_keras_computes_in_halves_needs_safetensors(tmp_path: Path) -> None:
    weights = save(tmp_path / "source", dtype="bfloat16")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("bfloat16")
    try:
        model = Writer.from_pretrained(tmp_path / "source")
    finally:
        keras.config.set_dtype_policy(before)
    with pytest.raises(CheckpointError, match=r"no type bfloat16\. Save it as safetensors \(`safe_serialization=True`"):
        model.save_pretrained(tmp_path / "saved")
    model.save_pretrained(tmp_path / "saved", safe_serialization=True)
    with open_weights(tmp_path / "saved") as stored:
        assert {stored.dtype(name) for name in stored.names()} == {"bfloat16"}
        assert all(np.array_equal(stored.array(name), weights[name]) for name in stored.names())


def test_a_model_with_more_than_its_config_says_is_not_saved(tmp_path: Path) -> None:
    class Own(models.TFBartModel):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.adapter = keras.layers.Dense(2, name="adapter")
            self.adapter.build((None, 16))

    with pytest.raises(CheckpointError, match=r"adapter/kernel` is in the model, but not in its config.*save_weights"):
        Own(small_bart()).save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_what_is_not_offered_is_refused(tmp_path: Path, model: Any) -> None:
    with pytest.raises(OptionError, match="upload it with `hf upload`"):
        model.save_pretrained(tmp_path / "saved", push_to_hub=True, create_pr=True)
    with pytest.raises(OptionError, match="`signatures` is for `saved_model=True`"):
        model.save_pretrained(tmp_path / "saved", signatures={})
    with pytest.raises(OptionError, match="`variant` is not an argument"):
        model.save_pretrained(tmp_path / "saved", variant="fp16")
    with pytest.raises(OptionError, match="`push_to_hub` is not offered"):
        model.push_to_hub("name")
    assert not (tmp_path / "saved").exists()
