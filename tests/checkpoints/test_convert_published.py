import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from bartleby.checkpoints import CheckpointFolder, open_weights, save_folder
from bartleby.checkpoints.convert import ConversionOptions, convert
from bartleby.checkpoints.convert_published import read_published
from bartleby.checkpoints.msgpack_writing import write_msgpack
from bartleby.checkpoints.tensors import held
from bartleby.errors import CheckpointError
from bartleby.family.config import BartConfig
from bartleby.family.parameters import Head, parameter_table

GOLDENS = Path(__file__).parents[1] / "parity" / "goldens" / "containers.tar.xz"
CONFIG = BartConfig(
    vocab_size=11,
    d_model=4,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=1,
    decoder_attention_heads=1,
    encoder_ffn_dim=5,
    decoder_ffn_dim=5,
    max_position_embeddings=6,
    architectures=["BartForConditionalGeneration"],
)


def arrays(head: Head = "conditional_generation") -> dict[str, np.ndarray]:
    table = [parameter for parameter in parameter_table(CONFIG, head) if parameter.tied_to is None]
    return {parameter.name: np.full(parameter.shape, number, np.float32) for number, parameter in enumerate(table)}


def save_flax(folder: Path, weights: dict[str, np.ndarray], **config: object) -> Path:
    """As Flax saves a model; `weights` have canonical names."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG.to_dict() | config))
    with (folder / "flax_model.msgpack").open("wb") as file:
        write_msgpack(file, {name: held(array) for name, array in weights.items()})
    return folder


@pytest.mark.parametrize("kind", ["tensorflow", "tensorflow-shards", "flax", "flax-shards", "flax-bfloat16"])
def test_weights_of_other_frameworks_become_safetensors(tmp_path: Path, kind: str) -> None:
    if kind.startswith("tensorflow"):
        pytest.importorskip("h5py", reason='TensorFlow\'s files need h5py: pip install "bartleby[convert]"')
    with tarfile.open(GOLDENS) as archive:
        archive.extractall(tmp_path, filter="data")
    for model in ("BartModel", "BartForSequenceClassification", "BlenderbotSmallForConditionalGeneration"):
        report = convert(tmp_path / model / kind, tmp_path / model / "out")
        assert report.original.origin == f"{'TensorFlow' if kind.startswith('tensorflow') else 'Flax'} weights"
        assert any(move.done == "transposed" for move in report.written)
        with open_weights(tmp_path / model / "out") as found, open_weights(tmp_path / model / "pytorch") as expected:
            assert set(found.names()) == set(expected.names())
            for name in expected.names():
                assert np.array_equal(found.array(name), expected.array(name))
        with CheckpointFolder.open(tmp_path / model / "out") as checkpoint:
            assert checkpoint.config["architectures"] == [model]


def test_what_the_file_calls_a_tensor_is_reported(tmp_path: Path) -> None:
    report = convert(save_flax(tmp_path / "flax", arrays()), tmp_path / "out")
    by_target = {move.target: move for move in report.written}
    move = by_target["model.encoder.layers.0.fc1.weight"]
    assert (move.source, move.done) == ("model/encoder/layers/0/fc1/kernel", "transposed")
    assert by_target["model.shared.weight"].source == "model/shared/embedding"
    assert by_target["model.shared.weight"].done == "renamed"


def test_tokenizer_and_decoding_options_go_along(tmp_path: Path) -> None:
    source = save_flax(tmp_path / "flax", arrays())
    (source / "vocab.json").write_text('{"a": 0}')
    (source / "generation_config.json").write_text('{"num_beams": 7}')
    (source / "README.md").write_text("a card")
    report = convert(source, tmp_path / "out")
    assert {"vocab.json", "generation_config.json"} < set(report.files)
    assert (tmp_path / "out" / "vocab.json").read_text() == '{"a": 0}'
    assert json.loads((tmp_path / "out" / "generation_config.json").read_text()) == {"num_beams": 7}
    assert not (tmp_path / "out" / "README.md").exists()


def test_heads_the_config_does_not_name_and_copies_are_left_out(tmp_path: Path) -> None:
    weights = arrays() | arrays("sequence_classification") | {"lm_head.weight": arrays()["model.shared.weight"]}
    original = read_published(save_flax(tmp_path / "flax", weights), tmp_path / "flax")
    left_out = {move.source: move.done for move in original.moves if move.target is None}
    assert left_out.pop("lm_head/kernel") == "left out: the same numbers as `model.shared.weight`"
    assert set(left_out.values()) == {"left out: the config names a model without this head"}
    assert len(left_out) == 4


def test_a_table_held_under_one_of_its_names_is_found(tmp_path: Path) -> None:
    weights = arrays()
    weights["lm_head.weight"] = weights.pop("model.shared.weight")
    del weights["final_logits_bias"]
    report = convert(save_flax(tmp_path / "flax", weights), tmp_path / "out")
    assert {move.target: move.source for move in report.written}["model.shared.weight"] == "lm_head/kernel"
    assert [(move.target, move.done) for move in report.made] == [("final_logits_bias", "made: zeros")]
    with open_weights(tmp_path / "out") as stored:
        assert np.array_equal(stored.raw("model.shared.weight"), weights["lm_head.weight"])


def test_pickles_become_safetensors_too(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch to write its files")
    source = save_flax(tmp_path / "both", arrays())
    torch.save({name: torch.from_numpy(a) for name, a in arrays().items()}, source / "pytorch_model.bin")
    report = convert(source, tmp_path / "out")
    assert report.original.origin == "PyTorch weights"
    assert {move.done for move in report.written} == {"kept"}
    again = convert(source / "flax_model.msgpack", tmp_path / "again")
    assert again.original.origin == "Flax weights"


def test_everything_missing_or_unknown_is_told_at_once(tmp_path: Path) -> None:
    weights = arrays()
    del weights["model.encoder.layers.0.fc1.bias"]
    weights["model.encoder.layers.7.fc1.bias"] = np.ones(5, np.float32)
    weights["model.decoder.layers.0.fc2.bias"] = np.ones(9, np.float32)
    with pytest.raises(CheckpointError) as refused:
        convert(save_flax(tmp_path / "flax", weights), tmp_path / "out")
    for fault in ("has 3 faults", "`model.encoder.layers.0.fc1.bias` is missing", "layers.7.fc1.bias` is in the file"):
        assert fault in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_config_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`d_model`"):
        convert(save_flax(tmp_path / "flax", arrays(), d_model=-4), tmp_path / "out")


def test_options_are_kept_as_they_are(tmp_path: Path, tiny_chat: Path) -> None:
    shutil.copytree(tiny_chat, tmp_path / "chat")
    before = json.loads((tmp_path / "chat" / "generation_config.json").read_text())
    convert(tmp_path / "chat", tmp_path / "out", ConversionOptions(dtype="float16"))
    assert json.loads((tmp_path / "out" / "generation_config.json").read_text()) == before


def test_a_saved_folder_converts_to_itself(tmp_path: Path) -> None:
    save_folder(tmp_path / "a", config=CONFIG.to_dict(), generation_config=None, weights=arrays())
    convert(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
