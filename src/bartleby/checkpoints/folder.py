"""A checkpoint folder in the published layout, as plain dictionaries and arrays: opened, and saved in one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bartleby.checkpoints.containers import StoredWeights, open_weights
from bartleby.checkpoints.forms import SAFETENSORS, Form, WriteTensors
from bartleby.checkpoints.replacement import Writer, current_file, replace_files
from bartleby.checkpoints.shards import index_document, index_name, plan_shards, size_in_bytes
from bartleby.checkpoints.tensors import DTYPES, Array, StoredTensor, held
from bartleby.documents import document_bytes, read_document
from bartleby.errors import CheckpointError, raise_all

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
DEFAULT_SHARD_SIZE = "50GB"

Weight = Array | tuple[str, Array] | StoredTensor


class CheckpointFolder:
    """A folder with config.json; its weights are opened when first asked for. A context manager that closes them."""

    def __init__(self, path: Path, config: dict[str, Any], generation_config: dict[str, Any] | None) -> None:
        self.path = path
        self.config = config
        self.generation_config = generation_config

    @classmethod
    def open(cls, path: str | Path) -> CheckpointFolder:
        """Raises: CheckpointError if there is no such folder, or no usable config.json in it."""
        folder = Path(path)
        if not folder.is_dir():
            kind = "is a file, but a checkpoint is a folder" if folder.exists() else "does not exist"
            raise CheckpointError(f"{folder} {kind}. Give the folder that holds {CONFIG} and the weights.")
        config = current_file(folder, CONFIG)
        if config is None:
            raise CheckpointError(f"{folder} has no {CONFIG}. Copy the one the checkpoint was published with into it.")
        generation = current_file(folder, GENERATION_CONFIG)
        return cls(folder, read_document(config), read_document(generation) if generation else None)

    @cached_property
    def weights(self) -> StoredWeights:
        """Raises: CheckpointError if the folder has no weights, or they cannot be read."""
        return open_weights(self.path)

    def close(self) -> None:
        if "weights" in self.__dict__:
            self.weights.close()

    def __enter__(self) -> CheckpointFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def save_folder(
    path: str | Path,
    *,
    config: dict[str, Any],
    generation_config: dict[str, Any] | None,
    weights: Mapping[str, Weight],
    max_shard_size: int | str = DEFAULT_SHARD_SIZE,
    form: Form = SAFETENSORS,
) -> None:
    """Save a checkpoint as `form` says, in the place of the one that was there.

    bfloat16 is given as ("bfloat16", its bits in uint16). Everything is written beside the old files first; a save
    stopped at any moment leaves the old or the new checkpoint. Weights of another container (pytorch_model.bin) or
    variant and tokenizer files stay, unless `form` supersedes them; without `generation_config`, one saved earlier is
    removed.
    Raises: CheckpointError if something cannot be saved, with what was there before still in place; OptionError if
        `max_shard_size` is no size or the variant no part of a name.
    """
    writers = checkpoint_writers(
        config=config,
        generation_config=generation_config,
        weights=weights,
        max_shard_size=max_shard_size,
        form=form,
    )
    write_folder(path, writers, lambda name: name == GENERATION_CONFIG or form.is_replaced(name))


def checkpoint_writers(
    *,
    config: dict[str, Any],
    generation_config: dict[str, Any] | None,
    weights: Mapping[str, Weight],
    max_shard_size: int | str = DEFAULT_SHARD_SIZE,
    form: Form = SAFETENSORS,
) -> dict[str, Writer]:
    """The files `save_folder` writes, by name.

    Raises: as `save_folder`, if something cannot be saved.
    """
    limit = size_in_bytes(max_shard_size)
    writers: dict[str, Writer] = {}
    shards = plan_shards(_tensors(weights, form), limit, form.variant, form.single)
    write = form.write if len(shards) == 1 else form.write_shard
    for name, tensors in shards.items():
        writers[name] = partial(_write_tensors, write, tensors)
    if len(shards) > 1:
        writers[index_name(form.single, form.variant)] = _document_writer(index_document(shards, form.listed))
    writers[CONFIG] = _document_writer(config)
    if generation_config is not None:
        writers[GENERATION_CONFIG] = _document_writer(generation_config)
    return writers


def write_folder(path: str | Path, writers: Mapping[str, Writer], is_stale: Callable[[str], bool]) -> None:
    """Write files into a folder, made if need be, and remove those that are stale: all of it in one step.

    Raises: CheckpointError if the disk refuses, with what was there before still in place.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_files(folder, writers, is_stale)
    except FileExistsError:
        raise CheckpointError(f"{folder} is a file, so no checkpoint can be saved there. Choose a folder.") from None
    except CheckpointError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(
            f"{folder} could not be saved: {reason}. The checkpoint that was there, if any, still is."
        ) from error


def _write_tensors(write: WriteTensors, tensors: Mapping[str, StoredTensor], file: BinaryIO) -> object:
    return write(file, tensors)


def _document_writer(document: dict[str, Any]) -> Writer:
    return content_writer(document_bytes(document))  # now: what has no JSON form is refused before anything is written


def content_writer(content: bytes) -> Writer:
    """Writes these bytes."""
    return lambda file: file.write(content)


def _tensors(weights: Mapping[str, Weight], form: Form) -> dict[str, StoredTensor]:
    faults: list[str] = []
    tensors: dict[str, StoredTensor] = {}
    for name, weight in weights.items():
        try:
            tensors[name] = _tensor(name, weight)
        except CheckpointError as error:
            faults.append(f"`{name}`: {error}")
        else:
            if tensors[name].dtype not in form.dtypes:
                faults.append(f"`{name}`: {form.kind} files have no type {tensors[name].dtype}.{form.remedy}")
    faults += [
        f"`{name}`: {form.kind} files need that name for themselves. Choose another."
        for name in tensors
        if name in form.reserved
    ]
    raise_all(CheckpointError, faults, "The weights to be saved")
    return tensors


def _tensor(name: str, weight: Weight) -> StoredTensor:
    if isinstance(weight, StoredTensor):
        return replace(weight, name=name)
    if not isinstance(weight, tuple):
        return replace(held(weight), name=name)
    dtype, bits = weight
    if dtype not in DTYPES or np.dtype(DTYPES[dtype]) != bits.dtype:
        known = ", ".join(f"{known} as {bits.newbyteorder('=')}" for known, bits in DTYPES.items())
        raise CheckpointError(f"type {dtype!r} cannot be saved from a {bits.dtype} array. Possible are {known}.")
    return StoredTensor(name, bits.shape, dtype, lambda: bits, place=id(bits))
