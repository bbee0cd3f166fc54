import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bartleby.backends.writing import NotUploaded, Written, config_document, refuse_arguments, superseding
from bartleby.checkpoints.folder import CheckpointFolder
from bartleby.checkpoints.forms import SAFETENSORS, flax_form
from bartleby.checkpoints.tensors import held
from bartleby.errors import CheckpointError, OptionError
from bartleby.generation.config import GenerationConfig
from tests.backends.checkpoint_folders import own_weights
from tests.parity.random_models import small_bart

FLAX = flax_form(bare=False)


def written() -> Written:
    config = small_bart()
    weights = {name: held(array) for name, array in own_weights(config).items()}
    name = "BartForConditionalGeneration"
    return Written(name, config, GenerationConfig(num_beams=3), "conditional_generation", weights)


def test_a_model_becomes_a_folder_that_says_what_it_holds(tmp_path: Path) -> None:
    model = written()
    model.save(tmp_path, SAFETENSORS, "1GB")
    with CheckpointFolder.open(tmp_path) as folder:
        assert folder.config["architectures"] == ["BartForConditionalGeneration"]
        assert (folder.config["dtype"], folder.config["torch_dtype"]) == ("float32", "float32")
        assert folder.generation_config is not None
        assert folder.generation_config["num_beams"] == 3
        assert set(folder.weights.names()) == set(model.weights)
    assert model.config.architectures is None  # the model's own config is left as it was
    replace(model, generation_config=None).save(tmp_path, SAFETENSORS, "1GB")
    assert not (tmp_path / "generation_config.json").exists()


def test_files_of_a_bare_model_lack_the_prefix(tmp_path: Path) -> None:
    config = small_bart()
    weights = {name: held(array) for name, array in own_weights(config, "none").items()}
    Written("BartModel", config, None, "none", weights).save(tmp_path, SAFETENSORS, "1GB")
    with CheckpointFolder.open(tmp_path) as folder:
        assert "shared.weight" in folder.weights.names()


def test_weights_that_the_config_does_not_describe_are_not_saved(tmp_path: Path) -> None:
    model = written()
    numbers = held(np.zeros((2, 2), np.float32))
    weights = {name: each for name, each in model.weights.items() if name != "final_logits_bias"}
    weights |= {"model.encoder.layers.0.fc1.weight": numbers, "adapter.weight": numbers}
    with pytest.raises(CheckpointError, match="BartForConditionalGeneration has 3 faults") as refusal:
        replace(model, weights=weights).save(tmp_path / "new", SAFETENSORS, "1GB")
    message = str(refusal.value)
    assert "`final_logits_bias` is missing." in message
    assert "`model.encoder.layers.0.fc1.weight` has shape (2, 2), but the config says (8, 16)." in message
    assert "`adapter.weight` is in the model, but not in its config." in message
    assert not (tmp_path / "new").exists()


def test_a_wing_reads_next_what_it_saved_last(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = written()
    model.save(tmp_path, FLAX, "1GB")
    with caplog.at_level(logging.WARNING, "bartleby.backends.writing"):
        model.save(tmp_path, superseding(SAFETENSORS, FLAX), "1GB")
    assert caplog.text == ""
    assert sorted(os.listdir(tmp_path)) == ["config.json", "generation_config.json", "model.safetensors"]
    with caplog.at_level(logging.WARNING, "bartleby.backends.writing"):
        model.save(tmp_path, superseding(FLAX, FLAX), "1GB")
    assert "also holds model.safetensors, saved earlier" in caplog.text


def test_config_and_type_under_the_names_of_both_releases() -> None:
    document = config_document(small_bart(), "BartModel", "bfloat16")
    assert (document["dtype"], document["torch_dtype"], document["architectures"]) == (
        "bfloat16",
        "bfloat16",
        ["BartModel"],
    )
    assert "torch_dtype" not in config_document(small_bart(), "BartModel", None)


def test_what_is_not_done_is_refused_all_at_once() -> None:
    refuse_arguments(False, [])
    with pytest.raises(OptionError, match="has 3 faults") as refusal:
        refuse_arguments(True, ["is_main"], ["`version` is odd."])
    assert "upload it with `hf upload`" in str(refusal.value)
    assert "`is_main` is not an argument of save_pretrained." in str(refusal.value)
    with pytest.raises(OptionError, match="`push_to_hub` is not offered"):
        NotUploaded().push_to_hub("name")
