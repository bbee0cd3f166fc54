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

jax = pytest.importorskip("jax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')
pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

from flax.core import freeze, unfreeze  # noqa: E402  after the skip
from flax.serialization import msgpack_restore  # noqa: E402

from bartleby.backends.flax import models  # noqa: E402

Writer = models.FlaxBartForConditionalGeneration


@pytest.fixture
def model(tmp_path: Path) -> Any:
    save(tmp_path / "source")
    return Writer.from_pretrained(tmp_path / "source")


def equal(one: Any, other: Any) -> bool:
    same = jax.tree_util.tree_map(lambda a, b: a.dtype == b.dtype and bool((a == b).all()), one, other)
    return all(jax.tree_util.tree_leaves(same))


@pytest.mark.parametrize("options", [{}, {"max_shard_size": "2KB"}, {"safe_serialization": True}])
def test_what_is_saved_is_loaded_again(tmp_path: Path, model: Any, options: dict[str, Any]) -> None:
    for params in (model.params, model.to_bf16(model.params), freeze(model.to_fp16(model.params))):
        model.save_pretrained(tmp_path / "saved", params=params, **options)
        loaded = Writer.from_pretrained(tmp_path / "saved")
        assert equal(loaded.params, unfreeze(params))
    assert (loaded.config.dtype, loaded.generation_config.num_beams) == ("float16", 3)


def test_a_folder_is_in_the_published_layout(tmp_path: Path, model: Any) -> None:
    model.save_pretrained(tmp_path / "saved")
    assert sorted(os.listdir(tmp_path / "saved")) == ["config.json", "flax_model.msgpack", "generation_config.json"]
    fields = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert (fields["architectures"], fields["torch_dtype"]) == (["BartForConditionalGeneration"], "float32")
    tree = msgpack_restore((tmp_path / "saved" / "flax_model.msgpack").read_bytes())
    assert equal(jax.tree_util.tree_map(jax.numpy.asarray, tree), model.params)
    models.FlaxBartModel.from_pretrained(tmp_path / "saved").save_pretrained(tmp_path / "bare")
    assert set(msgpack_restore((tmp_path / "bare" / "flax_model.msgpack").read_bytes())) == {
        "shared",
        "encoder",
        "decoder",
    }
    assert not (tmp_path / "bare" / "generation_config.json").exists()


def test_safetensors_have_the_names_of_pytorch(tmp_path: Path, model: Any) -> None:
    model.save_pretrained(tmp_path / "saved")
    model.save_pretrained(tmp_path / "saved", safe_serialization=True)
    assert not (tmp_path / "saved" / "flax_model.msgpack").exists()  # which would be read first
    with open_weights(tmp_path / "saved") as ours, open_weights(tmp_path / "source") as source:
        assert ours.names() == source.names()
        for name in source.names():
            assert np.array_equal(ours.raw(name), source.raw(name)), name


def test_parameters_that_the_config_does_not_describe_are_not_saved(tmp_path: Path, model: Any) -> None:
    params = {**model.params, "adapter": {"kernel": np.zeros((2, 2), np.float32)}}
    with pytest.raises(CheckpointError, match="`adapter/kernel` is in the parameters, but not in the config"):
        model.save_pretrained(tmp_path / "saved", params=params)
    with pytest.raises(CheckpointError, match="`params` must hold parameters, but is empty"):
        model.save_pretrained(tmp_path / "saved", params={})
    width = model.config.d_model
    fc1 = {"kernel": np.zeros((model.config.encoder_ffn_dim, width), np.float32)}  # as PyTorch turns it
    params = {"model": {"encoder": {"layers": {"0": {"fc1": fc1}}}}, "final_logits_bias": np.zeros((1, 5), np.float32)}
    wanted = (
        rf"fc1/kernel` must have shape \({width}, {model.config.encoder_ffn_dim}\), but has(.|\n)*`final_logits_bias`"
    )
    with pytest.raises(CheckpointError, match=wanted):
        model.save_pretrained(tmp_path / "saved", params=params)
    assert not (tmp_path / "saved").exists()


def test_parts_are_saved_when_given_and_stay_parts(tmp_path: Path, model: Any) -> None:
    params = {name: part for name, part in model.params.items() if name != "model"}
    model.save_pretrained(tmp_path / "saved", params=params)
    with pytest.raises(CheckpointError, match="is missing"):
        Writer.from_pretrained(tmp_path / "saved")
    again, loaded = Writer.from_pretrained(tmp_path / "saved", _do_init=False)
    assert equal(loaded, params)
    assert set(again.init_weights(again.key, again.input_shape, loaded)) == set(model.params)


def test_a_model_without_parameters_saves_those_it_is_given(tmp_path: Path) -> None:
    model = Writer(small_bart(), _do_init=False)
    with pytest.raises(ValueError, match="`params`"):
        model.save_pretrained(tmp_path / "saved")
    params = model.init_weights(jax.random.PRNGKey(0), (1, 1))
    model.save_pretrained(tmp_path / "saved", params)
    assert equal(Writer.from_pretrained(tmp_path / "saved").params, params)


def test_what_is_not_offered_is_refused(tmp_path: Path, model: Any) -> None:
    with pytest.raises(OptionError, match="upload it with `hf upload`"):
        model.save_pretrained(tmp_path / "saved", push_to_hub=True, token="x")
    with pytest.raises(OptionError, match="`is_main_process` is not an argument"):
        model.save_pretrained(tmp_path / "saved", is_main_process=True)
    with pytest.raises(OptionError, match="`max_shard_size`"):
        model.save_pretrained(tmp_path / "saved", max_shard_size="1 gigabyte")
    with pytest.raises(OptionError, match="`push_to_hub` is not offered"):
        model.push_to_hub("name")
    assert not (tmp_path / "saved").exists()
