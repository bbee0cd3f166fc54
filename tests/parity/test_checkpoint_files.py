"""Folders saved here load in the reference library, and folders it saved load here: every model, head and tie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints import CheckpointFolder, file_names, match, save_folder
from bartleby.family.config import CONFIG_CLASSES, config_from_dict
from bartleby.family.parameters import Head, parameter_table
from tests.parity.random_models import random_fields, random_weights, seeded

torch = pytest.importorskip("torch", reason='the reference library needs torch: pip install "bartleby[torch]"')
transformers = pytest.importorskip("transformers", reason="needs the reference library: pip install transformers")

PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
SUFFIXES: dict[Head, str] = {
    "none": "Model",
    "conditional_generation": "ForConditionalGeneration",
    "sequence_classification": "ForSequenceClassification",
    "question_answering": "ForQuestionAnswering",
    "causal_lm": "ForCausalLM",
}
CASES = [
    (model_type, head, tied)
    for model_type in CONFIG_CLASSES
    for head in SUFFIXES
    for tied in (True, False)
    if model_type == "bart" or head in ("none", "conditional_generation", "causal_lm")
]
each_case = pytest.mark.parametrize(("model_type", "head", "tied"), CASES)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.set_verbosity(level)


def fields(model_type: str, head: Head, tied: bool) -> dict[str, Any]:
    return random_fields(seeded("checkpoint files", model_type, head, tied)) | {"tie_word_embeddings": tied}


def reference_class(model_type: str, head: Head) -> Any:
    return getattr(transformers, PREFIXES[model_type] + SUFFIXES[head])


@each_case
@pytest.mark.parametrize("max_shard_size", ["50GB", "5KB"])
def test_a_folder_saved_here_loads_there(
    tmp_path: Path, model_type: str, head: Head, tied: bool, max_shard_size: str
) -> None:
    config = CONFIG_CLASSES[model_type](**fields(model_type, head, tied))
    weights = random_weights(seeded("weights", model_type, head), config, head)
    names = file_names(parameter_table(config, head), head)
    save_folder(
        tmp_path,
        config=config.to_dict(),
        generation_config=None,
        weights={file_name: weights[name] for name, file_name in names.items()},
        max_shard_size=max_shard_size,
    )
    model, info = reference_class(model_type, head).from_pretrained(tmp_path, output_loading_info=True)
    assert {kind: list(found) for kind, found in info.items() if found} == {}
    state = {f"model.{name}" if head == "none" else name: t.numpy() for name, t in model.state_dict().items()}
    assert set(state) == set(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(state[name], array, err_msg=name)


@each_case
@pytest.mark.parametrize("options", [{}, {"max_shard_size": "5KB"}], ids=["one file", "shards"])
def test_a_folder_saved_there_loads_here(
    tmp_path: Path, model_type: str, head: Head, tied: bool, options: dict[str, Any]
) -> None:
    model_class = reference_class(model_type, head)
    model = model_class(model_class.config_class(**fields(model_type, head, tied)))
    if "final_logits_bias" in model.state_dict():
        model.final_logits_bias.normal_()
    model.save_pretrained(tmp_path, **options)
    with CheckpointFolder.open(tmp_path) as folder:
        config = config_from_dict(folder.config)
        tensors, report = match(folder.weights, parameter_table(config, head))
        report.raise_if_incomplete()
        assert report.unused == ()
        state = {f"model.{name}" if head == "none" else name: t.numpy() for name, t in model.state_dict().items()}
        assert set(state) == set(tensors)
        for name, array in state.items():
            np.testing.assert_array_equal(tensors[name].array(), array, err_msg=name)
