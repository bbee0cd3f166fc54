import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints.layouts import is_turned, to_flax
from bartleby.checkpoints.tensors import held
from bartleby.errors import CheckpointError, ConfigError, HubError, MismatchError, OptionError
from bartleby.family.parameters import Head
from tests.backends.checkpoint_folders import GENERATION, forms, own_weights, save
from tests.parity.random_models import small_bart

jax = pytest.importorskip("jax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')
pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')
pytest.importorskip("h5py", reason='TensorFlow\'s files need h5py: pip install "bartleby[convert]"')

from flax.traverse_util import flatten_dict  # noqa: E402  after the skip

from bartleby.backends.flax import models  # noqa: E402

Writer, Bare = models.FlaxBartForConditionalGeneration, models.FlaxBartModel
Classifier = models.FlaxBartForSequenceClassification
LOGGER = "bartleby.backends.report"


def assert_holds(params: Any, weights: dict[str, Any], head: Head = "conditional_generation") -> None:
    """The tree has these canonical weights and no others."""
    flat = flatten_dict(params, sep="/")
    names = {to_flax(name, head == "none"): name for name in weights}
    assert flat.keys() == names.keys()
    for own, name in names.items():
        expected = weights[name].T if is_turned(own) else weights[name]
        np.testing.assert_array_equal(np.asarray(flat[own], np.float32), expected, err_msg=own)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["safetensors", "flax", "tensorflow"])
def test_parameters_are_those_of_the_file_in_its_type(tmp_path: Path, kind: str, dtype: str) -> None:
    if (kind, dtype) == ("tensorflow", "bfloat16"):
        pytest.skip("HDF5 has no such type")
    weights = save(tmp_path, kind=kind, dtype=dtype)
    model = Writer.from_pretrained(tmp_path)
    assert_holds(model.params, weights)
    assert {str(leaf.dtype) for leaf in jax.tree_util.tree_leaves(model.params)} == {dtype}
    assert (model.config.dtype, model.dtype, model.config.name_or_path) == (dtype, jax.numpy.float32, str(tmp_path))


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_loads_what_another_head_saved(tmp_path: Path, tied: bool) -> None:
    config = small_bart(tie_word_embeddings=tied)
    weights = save(tmp_path, config)
    body = {name: array for name, array in weights.items() if name.startswith("model.")}
    assert_holds(Bare.from_pretrained(tmp_path).params, body, "none")
    save(tmp_path / "bare", config, "none", "flax", body)
    loaded, info = Classifier.from_pretrained(tmp_path / "bare", output_loading_info=True)
    head = own_weights(config, "sequence_classification").keys() - body.keys()
    assert set(info["missing_keys"]) == head
    kept = {k: v for k, v in flatten_dict(loaded.params, sep="/").items() if not k.startswith("classification_head")}
    assert len(kept) == len(body)
    assert np.array_equal(kept["model/shared/embedding"], body["model.shared.weight"])


def test_a_missing_head_is_drawn_by_the_seed_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, head="none")
    with caplog.at_level(logging.WARNING, LOGGER):
        first, again, other = (
            Classifier.from_pretrained(tmp_path, num_labels=5, seed=seed).params["classification_head"]["out_proj"]
            for seed in (1, 1, 2)
        )
    assert "classification_head.dense.weight" in caplog.text
    assert first["kernel"].shape == (16, 5)
    assert np.array_equal(first["kernel"], again["kernel"])
    assert not np.array_equal(first["kernel"], other["kernel"])
    assert not first["bias"].any()


def test_without_parameters_of_its_own_the_model_hands_them_out(tmp_path: Path) -> None:
    weights = save(tmp_path)
    model, params = Writer.from_pretrained(tmp_path, _do_init=False)
    assert_holds(params, weights)
    with pytest.raises(ValueError, match="must be kept outside of a model"):
        model.params.keys()
    ids = np.array([[0, 5, 6, 2]])
    expected = Writer.from_pretrained(tmp_path)(ids, decoder_input_ids=ids).logits
    assert np.allclose(model(ids, decoder_input_ids=ids, params=params).logits, expected, atol=1e-6)
    save(tmp_path / "bare", head="none")
    _, params = Classifier.from_pretrained(tmp_path / "bare", _do_init=False)
    assert "classification_head" not in params  # to be drawn with init_weights
    assert "classification_head" in model_with(params)


def model_with(params: Any) -> Any:
    model = Classifier(small_bart(), _do_init=False)
    return model.init_weights(model.key, model.input_shape, params)


def test_bodies_with_holes_and_wrong_shapes_are_refused_or_drawn(tmp_path: Path) -> None:
    weights = own_weights(small_bart())
    gone = "model.encoder.layers.0.fc1.weight"
    save(tmp_path, weights={name: array for name, array in weights.items() if name != gone})
    with pytest.raises(CheckpointError, match=f"`{gone}` is missing"):
        Writer.from_pretrained(tmp_path)
    loaded, info = Writer.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == [gone]
    assert loaded.params["model"]["encoder"]["layers"]["0"]["fc1"]["kernel"].shape == (16, 8)
    save(tmp_path, weights=weights)
    with pytest.raises(MismatchError, match="ignore_mismatched_sizes=True"):
        Writer.from_pretrained(tmp_path, vocab_size=60)
    loaded, info = Writer.from_pretrained(
        tmp_path, vocab_size=60, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert ("final_logits_bias", (1, 50), (1, 60)) in info["mismatched_keys"]
    assert loaded.params["model"]["shared"]["embedding"].shape == (60, 16)


def test_decoding_options_come_along_and_take_changes(tmp_path: Path) -> None:
    save(tmp_path)
    options = Writer.from_pretrained(tmp_path, num_beams=5).generation_config
    assert options is not None
    assert (options.num_beams, options.max_length) == (5, GENERATION["max_length"])
    assert Bare.from_pretrained(tmp_path).generation_config is None
    assert Writer(small_bart(), _do_init=False).generation_config is not None


def test_arguments_reach_the_config_the_constructor_and_the_reader(tmp_path: Path) -> None:
    save(tmp_path / "inner")
    model = Writer.from_pretrained(
        tmp_path, jax.numpy.bfloat16, (1, 3), subfolder="inner", dropout=0.5, from_pt=True, gradient_checkpointing=True
    )
    assert (model.dtype, model.input_shape, model.config.dropout) == (jax.numpy.bfloat16, (1, 3), 0.5)
    config = small_bart(dropout=0.25)
    assert Writer.from_pretrained(tmp_path / "inner", config=config).config.dropout == 0.25
    with pytest.raises(CheckpointError, match=r"Leave out `from_tf`"):
        Writer.from_pretrained(tmp_path / "inner", from_tf=True)
    with pytest.raises(OptionError, match=r"`torch_dtype` must be None.*see `to_bf16`") as refusal:
        Writer.from_pretrained(tmp_path / "inner", torch_dtype="float16", device_map="auto", load_in_8bit=True)
    assert "has 3 faults" in str(refusal.value)
    with pytest.raises(ConfigError, match="dropuot"):
        Writer.from_pretrained(tmp_path / "inner", dropuot=0.5)
    with pytest.raises(HubError, match="There is no folder"):
        Writer.from_pretrained(tmp_path / "nothing")


@pytest.mark.parametrize("damage", [b"", b"\x81", b"\xff" * 99, b"version https://git-lfs.github.com/spec/v1\noid x"])
def test_damaged_files_are_refused(tmp_path: Path, damage: bytes) -> None:
    save(tmp_path, kind="flax")
    path = tmp_path / "flax_model.msgpack"
    path.write_bytes(damage or path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack"):
        Writer.from_pretrained(tmp_path)


def test_files_are_read_as_trees(tmp_path: Path) -> None:
    weights = save(tmp_path, kind="flax")
    assert_holds(Writer.load_flax_weights(str(tmp_path / "flax_model.msgpack")), weights)
    save(tmp_path)
    assert_holds(Writer.load_flax_weights(tmp_path / "model.safetensors"), weights)
    shards = []
    for number, part in enumerate((list(weights)[:5], list(weights)[5:])):
        shards.append(tmp_path / f"part-{number}.msgpack")
        with shards[-1].open("wb") as file:
            forms()["flax"].write(file, {name: held(weights[name]) for name in part})
    assert_holds(Writer.load_flax_sharded_weights(shards), weights)
    with pytest.raises(CheckpointError, match="does not exist"):
        Writer.load_flax_weights("nothing.msgpack")
