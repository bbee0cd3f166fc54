"""The containers a checkpoint can be saved in: what their files are called, can hold, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from bartleby.checkpoints.h5_file import write_h5, write_h5_shard
from bartleby.checkpoints.layouts import tensorflow_root, to_flax, to_tensorflow
from bartleby.checkpoints.msgpack_writing import write_msgpack
from bartleby.checkpoints.safetensors_file import TAGS, write_safetensors
from bartleby.checkpoints.shards import SINGLE, index_name, is_shard, with_variant
from bartleby.checkpoints.tensors import DTYPES, StoredTensor
from bartleby.errors import OptionError

Tensors = Mapping[str, StoredTensor]
WriteTensors = Callable[[BinaryIO, Tensors], object]


@dataclass(frozen=True)
class Form:
    """One container: tensors come under the names of the file (safetensors) or canonical ones (msgpack, h5)."""

    kind: str
    single: str
    """What the file is called; several are numbered, and have an index beside them."""

    write: WriteTensors
    write_shard: WriteTensors
    dtypes: frozenset[str]
    remedy: str = ""
    """What to do about a tensor of another type."""

    listed: Callable[[str], str] = str
    """What the index calls a tensor."""

    reserved: frozenset[str] = frozenset()
    """Names that no tensor may have."""

    variant: str | None = None
    """Put into the names of the files."""

    superseded: tuple[str, ...] = ()
    """Containers, by their single file, that a save takes the place of besides its own."""

    def is_replaced(self, file_name: str) -> bool:
        """Whether a file holds weights, or parts of them, that a save takes the place of."""
        return any(
            file_name in (with_variant(single, self.variant), index_name(single, self.variant))
            or is_shard(file_name, self.variant, single)
            for single in (self.single, *self.superseded)
        )


CONTAINERS = ("safetensors", "flax", "tensorflow")

SAFETENSORS = Form(
    "safetensors",
    SINGLE,
    write_safetensors,
    write_safetensors,
    frozenset(TAGS.values()),
    reserved=frozenset({"__metadata__"}),
)


def flax_form(bare: bool) -> Form:
    """Flax's own; files of a `bare` model lack the level "model"."""
    write = partial(write_msgpack, bare=bare)
    return Form("msgpack", "flax_model.msgpack", write, write, frozenset(DTYPES), listed=partial(to_flax, bare=bare))


def tensorflow_form(root: str) -> Form:
    """TensorFlow's own, of a model that Keras calls `root`, see `layouts.tensorflow_root`."""
    return Form(
        "h5",
        "tf_model.h5",
        lambda file, tensors: write_h5(Path(file.name), tensors, root, replace=True),
        lambda file, tensors: write_h5_shard(Path(file.name), tensors, root),
        frozenset(DTYPES) - {"bfloat16"},
        remedy=" Save it as safetensors (`safe_serialization=True`).",
        listed=partial(to_tensorflow, root=root),
    )


def form_named(container: str, class_name: str, bare: bool) -> Form:
    """The form called safetensors, flax or tensorflow, for a model of a class without a framework's prefix.

    Raises: OptionError if there is none of that name.
    """
    if container not in CONTAINERS:
        raise OptionError(f"`container` must be one of {', '.join(CONTAINERS)}, but is {container!r}.")
    if container == "safetensors":
        return SAFETENSORS
    return flax_form(bare) if container == "flax" else tensorflow_form(tensorflow_root(f"TF{class_name}"))
