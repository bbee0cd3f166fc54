from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bartleby.checkpoints.containers import StoredWeights
from bartleby.checkpoints.names import canonical_name, file_names, match
from bartleby.checkpoints.tensors import StoredTensor, held
from bartleby.errors import CheckpointError
from bartleby.family.config import CONFIG_CLASSES, PreTrainedConfig
from bartleby.family.parameters import Head, parameter_table

Arrays = dict[str, npt.NDArray[Any]]

HEADS: tuple[Head, ...] = (
    "none",
    "conditional_generation",
    "sequence_classification",
    "question_answering",
    "causal_lm",
)
SHARED, ENCODER, DECODER = (
    f"model.{name}.weight" for name in ("shared", "encoder.embed_tokens", "decoder.embed_tokens")
)
TIES = (SHARED, ENCODER, DECODER, "lm_head.weight")
ROWS = 12

each_head = pytest.mark.parametrize("head", HEADS)
each_model = pytest.mark.parametrize("model_type", list(CONFIG_CLASSES))


def config(model_type: str = "bart", tied: bool = True) -> PreTrainedConfig:
    sizes = {"vocab_size": ROWS, "d_model": 4, "encoder_layers": 1, "decoder_layers": 2, "max_position_embeddings": 6}
    widths = {f"{side}_{size}": 2 for side in ("encoder", "decoder") for size in ("ffn_dim", "attention_heads")}
    return CONFIG_CLASSES[model_type](**sizes, **widths, tie_word_embeddings=tied)


def stored(arrays: Arrays) -> StoredWeights:
    return StoredWeights(Path("model.safetensors"), {name: replace(held(a), name=name) for name, a in arrays.items()})


def checkpoint(head: Head = "conditional_generation", model_type: str = "bart", tied: bool = True) -> Arrays:
    """A file as it is published: tied tensors once, a bare model's names without `model.`; every tensor different."""
    table = parameter_table(config(model_type, tied), head)
    names = file_names(table, head)
    arrays = {p.name: np.full(p.shape, number, np.float32) for number, p in enumerate(table, start=1)}
    return {file_name: arrays[name] for name, file_name in names.items()}


@each_model
@each_head
@pytest.mark.parametrize("tied", [True, False])
def test_what_is_saved_under_its_file_names_is_found_again(model_type: str, head: Head, tied: bool) -> None:
    table = parameter_table(config(model_type, tied), head)
    arrays = checkpoint(head, model_type, tied)
    tensors, report = match(stored(arrays), table)
    report.raise_if_incomplete()
    assert report.unused == ()
    assert list(tensors) == [parameter.name for parameter in table]
    names = file_names(table, head)
    for parameter in table:
        expected = arrays[names[parameter.tied_to or parameter.name]]
        assert np.array_equal(tensors[parameter.name].raw(), expected)
        assert tensors[parameter.name].name == parameter.name


@each_head
def test_file_names_turn_into_canonical_names(head: Head) -> None:
    for name, file_name in file_names(parameter_table(config(), head), head).items():
        assert canonical_name(file_name) == name


def test_published_files_hold_tied_tensors_once() -> None:
    full = file_names(parameter_table(config()), "conditional_generation")
    assert set(TIES) & set(full.values()) == {SHARED}
    decoder = file_names(parameter_table(config(), "causal_lm"), "causal_lm")
    assert set(TIES) & set(decoder.values()) == {DECODER}


def test_a_bare_model_is_saved_without_the_prefix() -> None:
    names = file_names(parameter_table(config(), "none"), "none")
    assert names[SHARED] == "shared.weight"
    assert not any(name.startswith("model.") for name in names.values())


@pytest.mark.parametrize("held_under", TIES)
def test_any_one_of_the_tied_tensors_fills_the_others(held_under: str) -> None:
    arrays = checkpoint()
    arrays[held_under] = arrays.pop(SHARED)
    for head in ("conditional_generation", "none", "causal_lm"):
        table = parameter_table(config(), head)
        tensors, report = match(stored(arrays), table)
        assert report.missing == report.unexpected == ()
        wanted = {parameter.name for parameter in table} & set(TIES)
        assert all(np.array_equal(tensors[name].raw(), arrays[held_under]) for name in wanted)
        assert {report.filled[name] for name in wanted - {held_under}} == {held_under}
        assert held_under not in report.unused


def test_tied_tensors_may_all_be_there_if_they_are_equal() -> None:
    arrays = checkpoint()
    arrays |= {name: arrays[SHARED].copy() for name in TIES}
    tensors, report = match(stored(arrays), parameter_table(config()))
    report.raise_if_incomplete()
    assert report.filled == {}
    assert set(TIES) <= set(tensors)


@pytest.mark.parametrize("other", TIES[1:])
@pytest.mark.parametrize("head", ["conditional_generation", "none", "causal_lm"])
def test_tied_tensors_that_differ_are_refused(head: Head, other: str) -> None:
    arrays = checkpoint()
    arrays[other] = arrays[SHARED].copy()
    arrays[other][3, 1] += 1
    with pytest.raises(CheckpointError, match=f"`{SHARED}` and `{other}` differ, but the configuration ties them"):
        match(stored(arrays), parameter_table(config(), head))


def test_all_tied_tensors_that_differ_are_listed() -> None:
    arrays = checkpoint()
    arrays |= {name: arrays[SHARED] + number for number, name in enumerate(TIES)}
    with pytest.raises(CheckpointError, match="has 3 faults"):
        match(stored(arrays), parameter_table(config()))


def test_untied_tensors_may_differ_and_none_is_made_up() -> None:
    table = parameter_table(config(tied=False))
    arrays = checkpoint(tied=False)
    assert set(TIES) <= set(arrays)
    del arrays["lm_head.weight"], arrays[ENCODER]
    assert set(match(stored(arrays), table).report.missing) == {"lm_head.weight", ENCODER}


@pytest.mark.parametrize("head", ["conditional_generation", "none", "causal_lm"])
def test_untied_files_of_older_releases_share_the_embeddings(head: Head) -> None:
    arrays = checkpoint(tied=False)
    del arrays[ENCODER], arrays[DECODER]
    tensors, report = match(stored(arrays), parameter_table(config(tied=False), head))
    report.raise_if_incomplete()
    assert np.array_equal(tensors[DECODER].raw(), arrays[SHARED])
    assert report.filled[DECODER] == SHARED
    if head != "none":
        assert np.array_equal(tensors["lm_head.weight"].raw(), arrays["lm_head.weight"])


@each_model
def test_a_decoder_alone_loads_from_a_full_checkpoint(model_type: str) -> None:
    arrays = checkpoint(model_type=model_type)
    tensors, report = match(stored(arrays), parameter_table(config(model_type), "causal_lm"))
    report.raise_if_incomplete()
    assert np.array_equal(tensors["lm_head.weight"].raw(), arrays[SHARED])
    assert "final_logits_bias" in report.unused
    assert "model.encoder.layers.0.fc1.weight" in report.unused
    assert not any(name.startswith("model.decoder.") for name in report.unused)


def test_a_full_model_loads_from_a_bare_checkpoint() -> None:
    arrays = checkpoint("none")
    tensors, report = match(stored(arrays), parameter_table(config()))
    report.raise_if_incomplete()
    assert report.filled == {
        ENCODER: "shared.weight",
        DECODER: "shared.weight",
        "lm_head.weight": "shared.weight",
        "final_logits_bias": "zeros",
    }
    assert tensors["final_logits_bias"].raw().tolist() == [[0.0] * ROWS]


def test_a_bare_model_loads_from_a_full_checkpoint() -> None:
    report = match(stored(checkpoint(tied=False)), parameter_table(config(tied=False), "none")).report
    report.raise_if_incomplete()
    assert set(report.unused) == {"lm_head.weight", "final_logits_bias"}


def test_a_head_that_the_file_lacks_is_missing_for_the_caller_to_draw() -> None:
    tensors, report = match(stored(checkpoint("none")), parameter_table(config(), "sequence_classification"))
    assert report.missing == tuple(
        f"classification_head.{n}.{p}" for n in ("dense", "out_proj") for p in ("weight", "bias")
    )
    assert "model.encoder.layers.0.fc1.weight" in tensors
    with pytest.raises(
        CheckpointError, match=r"model.safetensors has 4 faults:\n  - `classification_head.dense.weight`"
    ):
        report.raise_if_incomplete()


def test_the_head_of_another_task_is_left_alone() -> None:
    report = match(stored(checkpoint("sequence_classification")), parameter_table(config())).report
    report.raise_if_incomplete()
    assert report.unused == tuple(
        f"classification_head.{n}.{p}" for n in ("dense", "out_proj") for p in ("weight", "bias")
    )


def test_remnants_of_fairseq_are_left_alone() -> None:
    remnants = ("encoder.version", "model.decoder.version", "encoder.embed_positions._float_tensor")
    arrays = checkpoint() | {name: np.ones(1, np.float32) for name in remnants}
    report = match(stored(arrays), parameter_table(config())).report
    report.raise_if_incomplete()
    assert report.unused == remnants


def test_everything_that_does_not_fit_is_listed_at_once() -> None:
    arrays = checkpoint()
    arrays["model.decoder.layers.7.fc1.weight"] = np.ones((2, 4), np.float32)
    arrays["final_logits_bias"] = np.zeros((1, ROWS - 2), np.float32)
    del arrays["model.encoder.layers.0.fc2.bias"]
    tensors, report = match(stored(arrays), parameter_table(config()))
    assert report.missing == ("model.encoder.layers.0.fc2.bias",)
    assert report.unexpected == ("model.decoder.layers.7.fc1.weight",)
    assert "final_logits_bias" not in tensors
    with pytest.raises(CheckpointError) as caught:
        report.raise_if_incomplete()
    assert str(caught.value) == (
        "model.safetensors has 3 faults:\n"
        "  - `model.encoder.layers.0.fc2.bias` is missing.\n"
        "  - `final_logits_bias` has shape (1, 10) in the file, but the configuration says (1, 12).\n"
        "  - `model.decoder.layers.7.fc1.weight` is in the file, but not in the model."
    )


def test_a_misshapen_embedding_is_reported_for_each_tensor_it_would_fill() -> None:
    arrays = checkpoint()
    arrays[SHARED] = arrays[SHARED][:-1]
    tensors, report = match(stored(arrays), parameter_table(config()))
    assert {mismatch.name for mismatch in report.mismatched} == set(TIES)
    assert not set(TIES) & set(tensors)


def test_two_names_of_one_parameter_are_refused() -> None:
    arrays = checkpoint()
    arrays["shared.weight"] = arrays[SHARED]
    with pytest.raises(CheckpointError, match=r"`model.shared.weight` and `shared.weight` are both names of"):
        match(stored(arrays), parameter_table(config()))


def test_weights_stored_as_integers_are_refused() -> None:
    arrays = checkpoint()
    arrays["model.encoder.layers.0.fc1.weight"] = np.ones((2, 4), np.int8)
    with pytest.raises(CheckpointError, match=r"fc1.weight` is stored as int8, but weights are one of float64"):
        match(stored(arrays), parameter_table(config()))


def test_tied_tensors_of_one_place_are_not_read_to_be_compared() -> None:
    def unread() -> npt.NDArray[Any]:
        raise AssertionError("was read")

    arrays = checkpoint()
    shape = arrays.pop(SHARED).shape
    tensors = {name: StoredTensor(name, shape, "float32", unread, place="storage 0") for name in TIES}
    others = stored(arrays)
    weights = StoredWeights(others.path, tensors | {name: others.tensor(name) for name in others.names()})
    match(weights, parameter_table(config())).report.raise_if_incomplete()


@pytest.mark.parametrize("side", ["encoder", "decoder"])
@each_model
def test_a_stack_alone_loads_from_a_full_checkpoint(model_type: str, side: Any) -> None:
    table = parameter_table(config(model_type), side)
    full = checkpoint(model_type=model_type)
    found, report = match(stored(full), table)
    report.raise_if_incomplete()
    assert found[f"model.{side}.embed_tokens.weight"].array()[0, 0] == full[SHARED][0, 0]
    assert found[f"model.{side}.layers.0.fc1.bias"].array()[0] == full[f"model.{side}.layers.0.fc1.bias"][0]


@pytest.mark.parametrize("side", ["encoder", "decoder"])
@each_model
def test_a_file_of_one_stack_says_by_its_tensors_which_it_is(model_type: str, side: Any) -> None:
    arrays = checkpoint(side, model_type)
    assert not any(name.startswith("model.") for name in arrays)
    match(stored(arrays), parameter_table(config(model_type), side))[1].raise_if_incomplete()
    other = "decoder" if side == "encoder" else "encoder"
    missing = match(stored(arrays), parameter_table(config(model_type), other))[1].missing
    assert len(missing) == len(parameter_table(config(model_type), other))


def test_a_causal_lm_loads_from_a_decoder_alone() -> None:
    found, report = match(stored(checkpoint("decoder")), parameter_table(config(), "causal_lm"))
    report.raise_if_incomplete()
    assert found["lm_head.weight"].place == found[DECODER].place
