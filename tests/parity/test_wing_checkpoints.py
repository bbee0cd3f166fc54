"""A checkpoint goes through all three wings, in every container, and comes back bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.names import canonical_name
from tests.backends.checkpoint_folders import own_weights
from tests.parity.random_models import random_config, seeded

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
jax = pytest.importorskip("jax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')
pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')
pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

import keras  # noqa: E402  after the skips

from bartleby.backends.flax import models as flax_models  # noqa: E402
from bartleby.backends.keras import models as keras_models  # noqa: E402
from bartleby.backends.pytorch import models as pytorch_models  # noqa: E402

CLASSES = [
    "BartModel",
    "BartForConditionalGeneration",
    "BartForSequenceClassification",
    "BartForQuestionAnswering",
    "BartForCausalLM",
    "BlenderbotForConditionalGeneration",
    "BlenderbotSmallForConditionalGeneration",
]


@pytest.fixture
def policy(dtype: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    yield
    keras.config.set_dtype_policy(before)


def pytorch_model(name: str, dtype: str) -> Any:
    model_class = getattr(pytorch_models, name)
    config = random_config(seeded("wings", name), model_class.config_class.model_type)
    return model_class(config).to(getattr(torch, dtype)).eval()


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize(
    ("dtype", "is_safe"), [("float32", True), ("float32", False), ("float16", False), ("bfloat16", True)]
)
@pytest.mark.parametrize("name", CLASSES)
def test_pytorch_to_flax_to_tensorflow_and_back(tmp_path: Path, name: str, dtype: str, is_safe: bool) -> None:
    first = pytorch_model(name, dtype)
    first.save_pretrained(tmp_path / "pytorch")
    flax = getattr(flax_models, f"Flax{name}").from_pretrained(tmp_path / "pytorch", from_pt=True)
    flax.save_pretrained(tmp_path / "flax", safe_serialization=is_safe)
    from_flax = {} if is_safe else {"from_flax": True}
    tensorflow = getattr(keras_models, f"TF{name}").from_pretrained(tmp_path / "flax", **from_flax)
    tensorflow.save_pretrained(tmp_path / "keras", safe_serialization=is_safe)
    from_tf = {} if is_safe else {"from_tf": True}
    last = getattr(pytorch_models, name).from_pretrained(tmp_path / "keras", dtype="auto", **from_tf)
    assert last.config.to_dict() | {"_name_or_path": ""} == flax.config.to_dict() | {"_name_or_path": ""}
    left, right = first.state_dict(), last.state_dict()
    assert left.keys() == right.keys()
    for key, tensor in left.items():
        assert right[key].dtype == tensor.dtype
        assert torch.equal(right[key], tensor), key


@pytest.mark.parametrize("name", ["BartForConditionalGeneration", "BlenderbotModel"])
def test_tensorflow_to_flax_and_back(tmp_path: Path, name: str) -> None:
    model_class = getattr(keras_models, f"TF{name}")
    first = model_class(random_config(seeded("wings", name), model_class.config_class.model_type))
    first.save_pretrained(tmp_path / "keras", max_shard_size="3KB")
    flax = getattr(flax_models, f"Flax{name}").from_pretrained(tmp_path / "keras")
    flax.save_pretrained(tmp_path / "flax", max_shard_size="3KB")
    last = model_class.from_pretrained(tmp_path / "flax")
    for key, variable in first.variables_by_name().items():
        assert np.array_equal(last.variables_by_name()[key].numpy(), variable.numpy()), key


def test_one_folder_may_hold_every_kind_and_each_wing_takes_its_own(tmp_path: Path) -> None:
    name = "BartForConditionalGeneration"
    pytorch = pytorch_model(name, "float32")
    pytorch.save_pretrained(tmp_path)
    flax = getattr(flax_models, f"Flax{name}").from_pretrained(tmp_path)
    tensorflow = getattr(keras_models, f"TF{name}").from_pretrained(tmp_path)
    flax.save_pretrained(tmp_path, params=jax.tree_util.tree_map(lambda leaf: leaf + 1, flax.params))
    for variable in tensorflow.weights:
        variable.assign(variable + 2)
    tensorflow.save_pretrained(tmp_path)
    shared = pytorch.model.shared.weight.detach().numpy()
    loaded = getattr(flax_models, f"Flax{name}").from_pretrained(tmp_path)
    assert np.array_equal(loaded.params["model"]["shared"]["embedding"], shared + 1)
    loaded = getattr(keras_models, f"TF{name}").from_pretrained(tmp_path)
    assert np.array_equal(loaded.variables_by_name()["model.shared.weight"].numpy(), shared + 2)
    loaded = getattr(pytorch_models, name).from_pretrained(tmp_path)
    assert np.array_equal(loaded.model.shared.weight.detach().numpy(), shared)
    with open_weights(tmp_path / "tf_model.h5") as stored:
        names = {canonical_name(each) for each in stored.names()}
    assert names == own_weights(pytorch.config).keys()
