"""What converting a checkpoint means: every tensor of the original is accounted for, and so is every one written.

A reader of an origin (`convert_fairseq`, `convert_parlai`, `convert_published`) turns it into an `Original`: a config,
moves and files. Here is what they share: moves, how a table of parameters is filled by them, and the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bartleby.checkpoints.names import STORED_FLOATS
from bartleby.checkpoints.tensors import DTYPES, Array, StoredTensor, held
from bartleby.errors import CheckpointError, ConfigError
from bartleby.family.config import PreTrainedConfig, config_from_dict
from bartleby.family.parameters import LOGITS_BIAS, Head, parameter_table

FLOATS = ("float32", "float16", "bfloat16")
"""What a checkpoint may be written in."""


@dataclass(frozen=True)
class Move:
    """What becomes of one tensor, or of a part of it."""

    source: str | None
    """Its name in the original; None if it was made here."""
    target: str | None
    """Its canonical name in what is written; None if it is left out."""
    done: str
    """What was done with it, or why it is left out."""
    tensor: StoredTensor


@dataclass
class Original:
    """A checkpoint as read, ready to be written."""

    origin: str
    config: PreTrainedConfig
    head: Head
    moves: list[Move]
    files: dict[str, bytes] = field(default_factory=dict)
    """The tokenizer's files, under the names they are written as."""
    generation_config: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    """What a reader of the report should know."""


@dataclass(frozen=True)
class ConversionReport:
    """What was converted, and how; `as_dict` is what `--json` writes."""

    source: Path
    folder: Path
    dtype: str
    original: Original
    files: tuple[str, ...]

    @property
    def written(self) -> list[Move]:
        return [move for move in self.original.moves if move.target is not None and move.source is not None]

    @property
    def made(self) -> list[Move]:
        """What the original lacks."""
        return [move for move in self.original.moves if move.source is None]

    @property
    def left_out(self) -> list[Move]:
        return [move for move in self.original.moves if move.target is None]

    def as_dict(self) -> dict[str, Any]:
        original = self.original
        return {
            "origin": original.origin,
            "source": str(self.source),
            "folder": str(self.folder),
            "model_type": original.config.model_type,
            "head": original.head,
            "dtype": self.dtype,
            "generation_config": original.generation_config,
            "files": list(self.files),
            "notes": original.notes,
            "tensors": [_row(move) for move in self.written],
            "made": [_row(move) for move in self.made],
            "left_out": [_row(move) for move in self.left_out],
        }


def _row(move: Move) -> dict[str, Any]:
    return {
        "from": move.source,
        "to": move.target,
        "shape": list(move.tensor.shape),
        "dtype": move.tensor.dtype,
        "done": move.done,
    }


def renamed(source: str, target: str, tensor: StoredTensor) -> Move:
    """A tensor that is written as it is, under a name of the family."""
    return Move(source, target, "kept" if source == target else "renamed", tensor)


def left_out(source: str, why: str, tensor: StoredTensor) -> Move:
    return Move(source, None, why, tensor)


def table_faults(moves: Sequence[Move], config: PreTrainedConfig, head: Head) -> Iterator[str]:
    """What the model's table and the moves disagree about: tensors missing, misshapen, unknown or without fractions."""
    if config.encoder_layers + config.decoder_layers > len(moves):
        layers = f"{config.encoder_layers} and {config.decoder_layers}"
        yield f"{len(moves)} tensors are too few for {layers} layers."
        return  # before a table is made of as many layers as a file may claim
    wanted = {parameter.name: parameter for parameter in parameter_table(config, head)}
    coming: dict[str, Move] = {}
    for move in moves:
        if move.target is None:
            continue
        if move.target in coming:
            yield f"`{coming[move.target].source}` and `{move.source}` are both names of `{move.target}`."
        coming[move.target] = move
    for name, parameter in wanted.items():
        if name not in coming and parameter.tied_to is None:
            yield f"the tensor for `{name}` is missing."
    for name, move in coming.items():
        if name not in wanted:
            yield f"`{move.source}` is unknown: a model of this configuration has no `{name}`."
        elif move.tensor.shape != wanted[name].shape:
            yield f"`{move.source}` has shape {move.tensor.shape}, but must have {wanted[name].shape} for `{name}`."
        elif move.tensor.dtype not in STORED_FLOATS:
            yield f"`{move.source}` is stored as {move.tensor.dtype}, but weights have fractions."


def zero_bias(config: PreTrainedConfig) -> Move:
    """`final_logits_bias`, which originals have no use for."""
    zeros = np.zeros((1, config.vocab_size), np.float32)
    return Move(None, LOGITS_BIAS, "made: zeros", held(zeros))


def tied_copy(source: str, copy: StoredTensor, table: StoredTensor, faults: list[str]) -> Move:
    """A second name of the embedding table, which is left out; a fault if it is a table of its own."""
    if copy.place != table.place and not (copy.shape == table.shape and np.array_equal(copy.raw(), table.raw())):
        faults.append(f"`{source}` is a table of its own, but this library writes one embedding for all of a model.")
    return left_out(source, "left out: the same numbers as the shared embedding", copy)


def built_config(fields: Mapping[str, Any], faults: list[str]) -> PreTrainedConfig | None:
    """The config of these fields, or None with what is wrong added to `faults`."""
    try:
        config = config_from_dict({name: value for name, value in fields.items() if value is not None})
        config.check_buildable()
    except ConfigError as error:
        faults.append(str(error))
        return None
    return config


def rows_of(tensor: StoredTensor) -> int:
    """How many rows a table has; a single number, which is none, has no rows."""
    return tensor.shape[0] if tensor.shape else 0


def part(tensor: StoredTensor, rows: slice | Sequence[slice]) -> StoredTensor:
    """Some rows of a tensor, one slice behind the other."""
    slices = [rows] if isinstance(rows, slice) else list(rows)
    count = sum(len(range(*piece.indices(tensor.shape[0]))) for piece in slices)
    bounds = tuple(piece.indices(tensor.shape[0]) for piece in slices)
    read = partial(_read_rows, tensor, slices)
    return replace(tensor, shape=(count, *tensor.shape[1:]), read=read, place=(tensor.place, bounds))


def _read_rows(tensor: StoredTensor, slices: Sequence[slice]) -> Array:
    raw = tensor.raw()
    return np.concatenate([raw[piece] for piece in slices])


def recast(tensor: StoredTensor, dtype: str) -> StoredTensor:
    """The tensor in another floating type, converted when it is read; others are left as they are."""
    if tensor.dtype == dtype or tensor.dtype not in STORED_FLOATS:
        return tensor
    return replace(tensor, dtype=dtype, read=partial(_cast, tensor, dtype), place=(tensor.place, dtype))


def _cast(tensor: StoredTensor, dtype: str) -> Array:
    wide = tensor.array()
    if dtype == "bfloat16":
        return _bfloat16_bits(wide.astype(np.float32))
    with np.errstate(over="ignore"):
        narrow: Array = wide.astype(DTYPES[dtype])
    lost = int(np.count_nonzero(np.isinf(narrow) & ~np.isinf(wide)))
    if lost:
        raise CheckpointError(f"`{tensor.name}` has {lost} numbers too large for {dtype}. Choose another --dtype.")
    return narrow


def _bfloat16_bits(numbers: Array) -> Array:
    """The upper halves of float32 numbers, rounded to the nearest, ties to even."""
    bits = numbers.view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    nan = np.isnan(numbers)
    rounded[nan] = (bits[nan] >> 16).astype(np.uint16) | 0x40  # rounding up could turn a NaN into a number
    return rounded
