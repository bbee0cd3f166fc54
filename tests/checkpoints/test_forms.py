import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints.containers import open_weights
from bartleby.checkpoints.folder import save_folder
from bartleby.checkpoints.forms import SAFETENSORS, Form, flax_form, tensorflow_form
from bartleby.checkpoints.tensors import held
from bartleby.errors import CheckpointError

h5py = pytest.importorskip("h5py", reason='TensorFlow\'s files need h5py: pip install "bartleby[convert]"')

NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)
WEIGHTS = {
    "model.shared.weight": NUMBERS,
    "model.encoder.layers.0.fc1.weight": NUMBERS + 10,
    "model.encoder.layers.0.fc1.bias": NUMBERS[0],
    "model.encoder.layernorm_embedding.weight": NUMBERS[1],
    "lm_head.weight": NUMBERS + 20,
    "final_logits_bias": NUMBERS[:1],
}
FORMS = {
    "safetensors": SAFETENSORS,
    "flax": flax_form(bare=False),
    "bare flax": flax_form(bare=True),
    "tensorflow": tensorflow_form("tf_bart_for_conditional_generation"),
}
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def save(folder: Path, form: Form, **options: Any) -> None:
    save_folder(folder, **({"config": {}, "generation_config": None, "weights": WEIGHTS, "form": form} | options))


def weight_files(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if name != "config.json"}


@EVERY_FORM
@pytest.mark.parametrize("limit", ["1GB", 60, 1])
def test_what_is_saved_is_read_again_from_one_file_or_several(tmp_path: Path, form: Form, limit: int | str) -> None:
    save(tmp_path, form, max_shard_size=limit)
    assert len(weight_files(tmp_path)) == {"1GB": 1, 60: 3, 1: 7}[limit]
    with open_weights(tmp_path) as stored:
        assert {name: stored.raw(name).tolist() for name in stored.names()} == {
            name: array.tolist() for name, array in WEIGHTS.items()
        }


@pytest.mark.parametrize(
    ("form", "stem", "ending"), [("flax", "flax_model", "msgpack"), ("tensorflow", "tf_model", "h5")]
)
def test_files_are_called_as_published(tmp_path: Path, form: str, stem: str, ending: str) -> None:
    save(tmp_path, FORMS[form])
    assert weight_files(tmp_path) == {f"{stem}.{ending}"}
    save(tmp_path, FORMS[form], max_shard_size=50)
    shards = {f"{stem}-0000{number}-of-00003.{ending}" for number in (1, 2, 3)}
    assert weight_files(tmp_path) == shards | {f"{stem}.{ending}.index.json"}
    save(tmp_path, FORMS[form])
    assert weight_files(tmp_path) == {f"{stem}.{ending}"}


def test_an_index_lists_the_names_of_its_framework(tmp_path: Path) -> None:
    save(tmp_path, FORMS["flax"], max_shard_size=1)
    index = json.loads((tmp_path / "flax_model.msgpack.index.json").read_text())
    assert "model/encoder/layers/0/fc1/kernel" in index["weight_map"]
    assert index["metadata"] == {"total_size": sum(array.nbytes for array in WEIGHTS.values())}
    save(tmp_path, FORMS["tensorflow"], max_shard_size=1)
    index = json.loads((tmp_path / "tf_model.h5.index.json").read_text())
    shard = index["weight_map"]["tf_bart_for_conditional_generation/model/encoder/layers.0/fc1/kernel:0"]
    with h5py.File(tmp_path / shard) as file:
        assert list(file.attrs["layer_names"]) == ["model/encoder/layers.0/fc1/kernel:0"]
        assert file["model/encoder/layers.0/fc1/kernel:0"].shape == (3, 2)


def test_other_containers_stay_unless_they_are_superseded(tmp_path: Path) -> None:
    save(tmp_path, FORMS["flax"], max_shard_size=100)
    flax_files = weight_files(tmp_path)
    save(tmp_path, SAFETENSORS)
    assert weight_files(tmp_path) == flax_files | {"model.safetensors"}
    save(tmp_path, replace(SAFETENSORS, superseded=("flax_model.msgpack",)))
    assert weight_files(tmp_path) == {"model.safetensors"}


def test_a_type_that_a_container_lacks_is_refused_with_what_to_do_and_nothing_is_lost(tmp_path: Path) -> None:
    save(tmp_path, FORMS["tensorflow"])
    before = (tmp_path / "tf_model.h5").read_bytes()
    halved = {"model.shared.weight": ("bfloat16", np.zeros((2, 3), np.uint16))}
    with pytest.raises(CheckpointError, match=r"h5 files have no type bfloat16. Save it as safetensors"):
        save(tmp_path, FORMS["tensorflow"], weights=halved)
    assert (tmp_path / "tf_model.h5").read_bytes() == before
    save(tmp_path, FORMS["flax"], weights=halved)
    with open_weights(tmp_path / "flax_model.msgpack") as stored:
        assert stored.dtype("model.shared.weight") == "bfloat16"


@EVERY_FORM
@pytest.mark.parametrize("limit", ["1GB", 60])
def test_an_interrupted_save_leaves_what_was_there(tmp_path: Path, form: Form, limit: int | str) -> None:
    save(tmp_path, form, max_shard_size=limit)
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}

    def interrupted() -> Any:
        raise KeyboardInterrupt

    broken = WEIGHTS | {"final_logits_bias": replace(held(NUMBERS[:1]), read=interrupted)}
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, form, weights=broken, max_shard_size=limit)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
