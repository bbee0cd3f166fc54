"""Any published container of weights, opened as one set of named tensors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from bartleby.checkpoints.h5_file import SIGNATURE, read_h5
from bartleby.checkpoints.layouts import from_flax, from_tensorflow, translated
from bartleby.checkpoints.msgpack_file import looks_like_msgpack, read_msgpack
from bartleby.checkpoints.replacement import current_file
from bartleby.checkpoints.safetensors_file import read_safetensors, written_by
from bartleby.checkpoints.shards import INDEX, SINGLE, read_index
from bartleby.checkpoints.tensors import Array, MappedFile, StoredTensor
from bartleby.checkpoints.torch_file import read_torch_file, state_dict
from bartleby.errors import CheckpointError, raise_all

WEIGHT_FILES = (SINGLE, INDEX, "pytorch_model.bin", "pytorch_model.bin.index.json")
"""What a folder is searched for, the first found first: the order of the reference library."""

TENSORFLOW_FILES = ("tf_model.h5", "tf_model.h5.index.json")
FLAX_FILES = ("flax_model.msgpack", "flax_model.msgpack.index.json")
"""Searched for after those, in this order. Their tensors come under canonical names and the usual way round."""


class StoredWeights:
    """The named tensors of a checkpoint, each read when asked for; a context manager that closes its files."""

    def __init__(self, path: Path, tensors: Mapping[str, StoredTensor], files: Iterable[MappedFile] = ()) -> None:
        self.path = path
        self._tensors = dict(tensors)
        self._files = list(files)

    def names(self) -> list[str]:
        return list(self._tensors)

    def tensor(self, name: str) -> StoredTensor:
        """Raises: CheckpointError if there is none of that name, with the nearest."""
        try:
            return self._tensors[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._tensors, n=1)
            hint = f" Is `{near[0]}` meant?" if near else ""
            raise CheckpointError(f"{self.path} has no tensor `{name}`.{hint}") from None

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensor(name).shape

    def dtype(self, name: str) -> str:
        return self.tensor(name).dtype

    def raw(self, name: str) -> Array:
        """The numbers as stored, see `StoredTensor.raw`."""
        return self.tensor(name).raw()

    def array(self, name: str) -> Array:
        """The numbers in a type NumPy can compute with, see `StoredTensor.array`."""
        return self.tensor(name).array()

    def forget(self) -> None:
        """Give back the memory of what was read so far, see `MappedFile.forget`."""
        for file in self._files:
            file.forget()

    def close(self) -> None:
        """Hand out no more bytes; arrays already read stay valid."""
        for file in self._files:
            file.close()

    def __enter__(self) -> StoredWeights:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_weights(path: str | Path) -> StoredWeights:
    """The weights of a checkpoint folder, or of one file, whatever container it is.

    Raises: CheckpointError if there are none, with what was looked for, or if they are damaged.
    """
    place = Path(path)
    if not place.exists():
        raise CheckpointError(f"{place} does not exist. Give a folder with weights, or a file of them.")
    if place.is_dir():
        known = (*WEIGHT_FILES, *TENSORFLOW_FILES, *FLAX_FILES)
        found = next((there for name in known if (there := current_file(place, name))), None)
        if found is None:
            raise CheckpointError(f"{place} has no weights: none of {', '.join(known)}. Download or copy them into it.")
        place = found
    if place.suffix == ".json" and ".index." in place.name:  # of a variant: model.safetensors.index.fp16.json
        return _open_shards(place)
    file = MappedFile(place)
    return StoredWeights(place, _read_container(file), [file])


def _read_container(file: MappedFile) -> dict[str, StoredTensor]:
    """The tensors of one file, by what it holds rather than what it is called."""
    start = bytes(file.view(0, min(file.size, 9)))
    # A header of less than 4 GiB, then the brace of a JSON object: no pickle and no zip archive begins so.
    if file.path.suffix == ".safetensors" or start[4:9] == b"\0\0\0\0{":
        return _as_pytorch_has_them(read_safetensors(file), file)
    if file.path.suffix == ".h5" or start[:8] == SIGNATURE:
        return translated(read_h5(file), from_tensorflow, file.path)
    if file.path.suffix == ".msgpack" or looks_like_msgpack(start):
        return translated(read_msgpack(file), from_flax, file.path)
    return state_dict(read_torch_file(file), file)


def _as_pytorch_has_them(tensors: dict[str, StoredTensor], file: MappedFile) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file that TensorFlow or Flax may have written, with the names and layout of each."""
    framework = written_by(file)
    if framework == "tf":
        return translated(tensors.values(), from_tensorflow, file.path)
    if framework == "flax":  # which joins the levels of names by dots here
        named = (replace(tensor, name=name.replace(".", "/")) for name, tensor in tensors.items())
        return translated(named, from_flax, file.path)
    return tensors


def _open_shards(index: Path) -> StoredWeights:
    """All shards of an index, which decides where a tensor is that two of them hold.

    Raises: CheckpointError with every shard that is missing, or every tensor that is not where the index says.
    """
    promised = _promises(index)
    paths = {name: current_file(index.parent, name) for name in dict.fromkeys(promised.values())}
    missing = [f"shard {name} is missing. Download or copy it." for name, path in paths.items() if path is None]
    raise_all(CheckpointError, missing, str(index))
    files = {name: MappedFile(path) for name, path in paths.items() if path}
    shards = {name: _read_container(file) for name, file in files.items()}
    lacking = [
        f"{shard} lacks tensor `{name}`. Download it again."
        for name, shard in promised.items()
        if name not in shards[shard]
    ]
    raise_all(CheckpointError, lacking, str(index))
    unlisted = {name: tensor for shard in shards.values() for name, tensor in shard.items() if name not in promised}
    listed = {name: shards[shard][name] for name, shard in promised.items()}
    return StoredWeights(index, listed | unlisted, files.values())


def _promises(index: Path) -> dict[str, str]:
    """Which shard has which tensor, under the names that the tensors of such a shard come under."""
    promised = read_index(index)
    rules = {".h5": from_tensorflow, ".msgpack": from_flax}
    return {rules.get(Path(shard).suffix, str)(name): shard for name, shard in promised.items()}
