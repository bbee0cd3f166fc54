import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints import CheckpointFolder
from bartleby.checkpoints.convert import ConversionOptions, convert
from bartleby.checkpoints.names import match
from bartleby.errors import CheckpointError, OptionError
from bartleby.family.config import config_from_dict
from bartleby.family.parameters import parameter_table
from bartleby.generation.config import GenerationConfig
from bartleby.tokenization.auto import AutoTokenizer
from tests.checkpoints.made_originals import Fairseq, save_fairseq, save_parlai

pytest.importorskip("torch", reason="needs torch to write originals")

FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
}


def make(folder: Path, kind: str) -> Path:
    if kind == "bart":
        save_fairseq(folder)
    else:
        save_parlai(folder, kind)
    return folder


@pytest.mark.parametrize("kind", ["bart", "xlm", "prelayernorm"])
def test_an_original_becomes_a_whole_checkpoint(tmp_path: Path, kind: str) -> None:
    report = convert(make(tmp_path / "original", kind), tmp_path / "a" / "out")
    folder = tmp_path / "a" / "out"
    assert set(os.listdir(folder)) == set(report.files) == FILES
    with CheckpointFolder.open(folder) as checkpoint:
        config = config_from_dict(checkpoint.config)
        tensors, loading = match(checkpoint.weights, parameter_table(config))
        loading.raise_if_incomplete()
        assert loading.unused == ()
        assert (config.dtype, checkpoint.config["architectures"]) == (
            "float32",
            [f"{type(config).__name__[:-6]}ForConditionalGeneration"],
        )
        for move in report.written:
            assert np.array_equal(tensors[move.target or ""].raw(), move.tensor.raw())
        GenerationConfig.from_dict(checkpoint.generation_config or {})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vocabulary = len(tokenizer)
    assert vocabulary - config.vocab_size in (0, 1)  # Blenderbot's tokenizer has a mask token, its model has not


def test_a_classifier_is_saved_as_one(tmp_path: Path) -> None:
    save_fairseq(tmp_path / "mnli", Fairseq(labels=3))
    report = convert(tmp_path / "mnli", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["BartForSequenceClassification"]
    assert "generation_config.json" not in report.files
    assert len(config.get("id2label", "123")) == 3


def test_an_archive_is_converted_like_a_folder(tmp_path: Path) -> None:
    make(tmp_path / "bart.large", "bart")
    with tarfile.open(tmp_path / "bart.large.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "bart.large", "bart.large")
    convert(tmp_path / "bart.large", tmp_path / "one")
    convert(tmp_path / "bart.large.tar.gz", tmp_path / "two")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"bart.large", "bart.large.tar.gz", "one", "two"}


def test_the_file_of_the_weights_may_be_given(tmp_path: Path) -> None:
    both = make(make(tmp_path / "both", "bart"), "xlm")
    with pytest.raises(CheckpointError, match=r"more than one checkpoint: model.pt, model. Give the file"):
        convert(both, tmp_path / "out")
    assert convert(both / "model.pt", tmp_path / "bart").original.origin == "fairseq BART"
    assert convert(both / "model", tmp_path / "small").original.origin == "ParlAI xlm"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_weights_are_written_in_the_type_asked_for(tmp_path: Path, dtype: str) -> None:
    make(tmp_path / "original", "xlm")
    convert(tmp_path / "original", tmp_path / "out", ConversionOptions(dtype=dtype))
    with CheckpointFolder.open(tmp_path / "out") as checkpoint:
        assert {checkpoint.weights.dtype(name) for name in checkpoint.weights.names()} == {dtype}
        assert checkpoint.config["dtype"] == dtype


def test_large_checkpoints_are_sharded(tmp_path: Path) -> None:
    make(tmp_path / "original", "xlm")
    report = convert(tmp_path / "original", tmp_path / "out", ConversionOptions(max_shard_size="4KB"))
    assert "model.safetensors.index.json" in report.files
    assert len([name for name in report.files if name.endswith(".safetensors")]) > 1


def test_a_folder_with_something_in_it_is_left_alone_unless_asked(tmp_path: Path) -> None:
    make(tmp_path / "original", "bart")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("tokenizer.json", "pytorch_model.bin", "notes.txt"):
        (out / name).write_text("of an earlier checkpoint")
    with pytest.raises(
        CheckpointError, match=r"out is not empty. Choose another, or replace what is there \(`--force`\)"
    ):
        convert(tmp_path / "original", out)
    assert len(os.listdir(out)) == 3
    convert(tmp_path / "original", out, ConversionOptions(replace=True))
    assert set(os.listdir(out)) == {*FILES, "notes.txt"}


@pytest.mark.parametrize("target", ["original", "original/.", "file"])
def test_the_original_and_files_are_never_written_over(tmp_path: Path, target: str) -> None:
    make(tmp_path / "original", "bart")
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"holds the original|is a file"):
        convert(tmp_path / "original", tmp_path / target, ConversionOptions(replace=True))
    with pytest.raises(CheckpointError, match=r"holds the original|is a file"):
        convert(tmp_path / "original" / "model.pt", tmp_path / target, ConversionOptions(replace=True))


def test_a_link_to_the_weights_is_not_written_over_either(tmp_path: Path) -> None:
    make(tmp_path / "blobs", "bart")
    (tmp_path / "snapshot").mkdir()
    for path in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)  # as the hub's cache has it
    before = sorted(os.listdir(tmp_path / "snapshot"))
    for target in ("blobs", "snapshot"):
        with pytest.raises(CheckpointError, match="holds the original"):
            convert(tmp_path / "snapshot" / "model.pt", tmp_path / target, ConversionOptions(replace=True))
    assert sorted(os.listdir(tmp_path / "snapshot")) == before


def test_nothing_is_left_of_a_conversion_that_failed(tmp_path: Path) -> None:
    state = save_fairseq(tmp_path / "original")
    state["encoder.layers.0.fc1.bias"][0] = 1e6
    save_fairseq(tmp_path / "original", state=state)
    with pytest.raises(CheckpointError, match=r"fc1.bias` has 1 numbers too large for float16"):
        convert(tmp_path / "original", tmp_path / "out", ConversionOptions(dtype="float16"))
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []
    (tmp_path / "original" / "dict.txt").unlink()
    with pytest.raises(CheckpointError, match=r"dict\.txt is missing"):
        convert(tmp_path / "original", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ConversionOptions(dtype="int8"), "`dtype` must be one of float32, float16, bfloat16, but is 'int8'"),
        (ConversionOptions(preset="facebook/bart-base"), "another shape"),
        (
            ConversionOptions(container="onnx"),
            "`container` must be one of safetensors, flax, .* but is 'onnx'",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, options: ConversionOptions, said: str) -> None:
    make(tmp_path / "original", "bart")
    with pytest.raises(OptionError, match=said):
        convert(tmp_path / "original", tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("container", "name"), [("flax", "flax_model.msgpack"), ("tensorflow", "tf_model.h5")])
def test_weights_are_written_for_other_programs_too(tmp_path: Path, container: str, name: str) -> None:
    if container == "tensorflow":
        pytest.importorskip("h5py", reason='TensorFlow\'s files need h5py: pip install "bartleby[convert]"')
    make(tmp_path / "original", "bart")
    report = convert(tmp_path / "original", tmp_path / "out", ConversionOptions(container=container))
    convert(tmp_path / "original", tmp_path / "plain")
    assert set(report.files) == FILES - {"model.safetensors"} | {name}
    with CheckpointFolder.open(tmp_path / "out") as there, CheckpointFolder.open(tmp_path / "plain") as plain:
        assert set(there.weights.names()) == set(plain.weights.names())
        for each in plain.weights.names():
            assert np.array_equal(there.weights.raw(each), plain.weights.raw(each)), each


def test_a_folder_without_a_checkpoint_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no checkpoint: neither fairseq's \(model.pt\), nor ParlAI's"):
        convert(tmp_path, tmp_path / "out")


def test_the_report_says_what_became_of_every_tensor(tmp_path: Path) -> None:
    state = save_fairseq(tmp_path / "original")
    report: dict[str, Any] = convert(tmp_path / "original", tmp_path / "out").as_dict()
    assert {row["from"] for row in report["tensors"] + report["left_out"]} == set(state)
    with CheckpointFolder.open(tmp_path / "out") as checkpoint:
        assert {row["to"] for row in report["tensors"] + report["made"]} == set(checkpoint.weights.names())
