"""What stands in the files of weights that a Flax or TensorFlow class writes: names and shapes, in the files' order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.parity.forward_draws import CLASS_PREFIX
from tests.parity.wing_draws import OF_RELEASE_4, Framework

SIZES = {
    "encoder_layers": 1,
    "decoder_layers": 2,
    "vocab_size": 12,
    "d_model": 4,
    "max_position_embeddings": 6,
    **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 6 for side in ("encoder", "decoder")},
}
SHARD = "1KB"


def saved(library: Any, framework: Framework) -> Iterator[tuple[str, dict[str, Any]]]:
    """By class and kind of saving, the content of every file."""
    for model_type, suffixes in OF_RELEASE_4[framework].items():
        for suffix in suffixes:
            class_name = f"{framework}{CLASS_PREFIX[model_type]}{suffix}"
            for tied in (True, False) if framework == "Flax" else (True,):
                fields = {**SIZES, "tie_word_embeddings": tied}
                config = getattr(library, f"{CLASS_PREFIX[model_type]}Config")(**fields)
                model = getattr(library, class_name)(config)
                if hasattr(model, "build_in_name_scope"):
                    model.build_in_name_scope()  # that release's have no variables before
                for shards in ({}, {"max_shard_size": SHARD}) if tied else ({},):
                    with TemporaryDirectory() as folder:
                        model.save_pretrained(folder, safe_serialization=False, **shards)
                        name = f"{class_name}{'' if tied else ' untied'}{' in shards' if shards else ''}"
                        yield name, contents(Path(folder))


def contents(folder: Path) -> dict[str, Any]:
    """Of every file of weights in the folder, and of the index of shards."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".msgpack":
            found[path.name] = [[name, list(shape)] for name, shape in in_msgpack(path)]
        elif path.suffix == ".h5":
            found[path.name] = in_h5(path)
        elif path.name.endswith(".index.json"):
            found[path.name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def in_msgpack(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    from flax.serialization import msgpack_restore

    def walk(branch: Any, above: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        for key, each in branch.items():
            name = f"{above}/{key}" if above else key
            if isinstance(each, dict):
                yield from walk(each, name)
            else:
                yield name, np.shape(each)

    return walk(msgpack_restore(path.read_bytes()), "")


def in_h5(path: Path) -> dict[str, Any]:
    """Shapes by the full path of a dataset, and the lists of names that Keras reads."""
    import h5py

    shapes: list[list[Any]] = []
    lists: dict[str, list[str]] = {}

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            shapes.append([name, list(item.shape)])

    with h5py.File(path, "r") as file:
        file.visititems(look)
        for group in ("/", *file):
            for attribute in ("layer_names", "weight_names"):
                if attribute in file[group].attrs:
                    names = file[group].attrs[attribute]
                    lists[f"{group} {attribute}"] = [
                        each.decode() if isinstance(each, bytes) else each for each in names
                    ]
    return {"shapes": sorted(shapes), "lists": lists}
