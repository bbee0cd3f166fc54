"""Models saved here load in the reference library, and the other way round: type, counts and what did not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parity.random_models import random_fields, seeded

torch = pytest.importorskip("torch", reason='the reference library needs torch: pip install "bartleby[torch]"')
transformers = pytest.importorskip("transformers", reason="needs the reference library: pip install transformers")

from tests.backends.pytorch.saved_models import ALL, equal, small  # noqa: E402  after the skip

PUBLISHED = [model for model in ALL if model.table_head not in ("encoder", "decoder")]
each_class = pytest.mark.parametrize("model_class", PUBLISHED, ids=lambda model: model.__name__)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.set_verbosity(level)


def theirs(model_class: Any) -> Any:
    return getattr(transformers, model_class.__name__)


def same_weights(ours: Any, reference: Any) -> bool:
    left, right = ours.state_dict(), reference.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@each_class
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_saved_here_loads_there_as_the_type_it_has(tmp_path: Path, model_class: Any, dtype: str) -> None:
    model = small(model_class).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    loaded, told = theirs(model_class).from_pretrained(tmp_path, dtype="auto", output_loading_info=True)
    assert loaded.dtype == loaded.config.dtype == model.dtype
    assert not any(told.values())
    assert same_weights(model, loaded)


@each_class
def test_a_model_saved_there_loads_here(tmp_path: Path, model_class: Any) -> None:
    reference = theirs(model_class)
    model = reference(reference.config_class(**random_fields(seeded("saved there")))).half()
    model.save_pretrained(tmp_path)
    loaded, told = model_class.from_pretrained(tmp_path, torch_dtype="auto", output_loading_info=True)
    assert loaded.dtype == torch.float16
    assert told == {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set(), "error_msgs": []}
    assert same_weights(loaded, model)


@each_class
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_and_bytes_are_counted_alike(model_class: Any, tied: bool) -> None:
    reference = theirs(model_class)
    fields = {**random_fields(seeded("counted")), "tie_word_embeddings": tied}
    ours, model = model_class(model_class.config_class(**fields)), reference(reference.config_class(**fields))
    for each in (ours, model):
        each.get_decoder().layers[0].requires_grad_(False)
    for options in ({}, {"only_trainable": True}, {"exclude_embeddings": True}):
        assert ours.num_parameters(**options) == model.num_parameters(**options)
    assert ours.get_memory_footprint() == model.get_memory_footprint()
    assert ours.get_memory_footprint(return_buffers=False) == model.get_memory_footprint(return_buffers=False)


@pytest.mark.parametrize(
    ("saved", "asked"),
    [
        ("BartModel", "BartForConditionalGeneration"),
        ("BartForConditionalGeneration", "BartModel"),
        ("BartModel", "BartForSequenceClassification"),
        ("BartForSequenceClassification", "BartForQuestionAnswering"),
        ("BlenderbotSmallForConditionalGeneration", "BlenderbotSmallModel"),
    ],
)
def test_what_did_not_fit_is_told_alike(tmp_path: Path, saved: str, asked: str) -> None:
    classes = {model.__name__: model for model in ALL}
    small(classes[saved]).save_pretrained(tmp_path)
    _, ours = classes[asked].from_pretrained(tmp_path, output_loading_info=True)
    _, reference = getattr(transformers, asked).from_pretrained(tmp_path, output_loading_info=True)
    assert ours["missing_keys"] == reference["missing_keys"]
    assert ours["unexpected_keys"] == reference["unexpected_keys"]


@each_class
def test_tokens_are_added_as_there(model_class: Any, tmp_path: Path) -> None:
    model = small(model_class)
    model.save_pretrained(tmp_path)
    reference = theirs(model_class).from_pretrained(tmp_path)
    for each in (model, reference):
        assert each.resize_token_embeddings(61, pad_to_multiple_of=8).weight.shape[0] == each.config.vocab_size == 64
    left, right = model.state_dict(), reference.state_dict()
    assert left.keys() == right.keys()
    assert all(torch.allclose(left[name], right[name], atol=1e-4) for name in left)  # there with a little noise
    model.resize_token_embeddings(45)
    reference.resize_token_embeddings(45)
    assert equal(model, reference)
