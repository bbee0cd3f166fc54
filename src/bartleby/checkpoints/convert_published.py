"""A folder in the published layout with weights of any container -> what is written of it, which is safetensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bartleby.checkpoints.containers import StoredWeights, open_weights
from bartleby.checkpoints.conversion import Move, Original, built_config, left_out
from bartleby.checkpoints.folder import CheckpointFolder
from bartleby.checkpoints.layouts import is_turned
from bartleby.checkpoints.names import HEADS, Matched, canonical_name, match
from bartleby.checkpoints.tensors import StoredTensor
from bartleby.errors import CheckpointError, raise_all
from bartleby.family.parameters import Parameter, head_of, parameter_table

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
ORIGINS = {".h5": "TensorFlow", ".msgpack": "Flax", ".safetensors": "safetensors"}


def read_published(folder: Path, weights: Path) -> Original:
    """The checkpoint of `folder`, its weights those in `weights`: the folder itself, or a file or index in it.

    Raises: CheckpointError with everything that is missing, unknown or misshapen.
    """
    checkpoint = CheckpointFolder.open(folder)
    stored = open_weights(weights)
    faults: list[str] = []
    config = built_config(checkpoint.config, faults)
    raise_all(CheckpointError, faults, str(folder))
    assert config is not None, "no config without a fault"
    head = head_of(config)
    table = parameter_table(config, head)
    matched = match(stored, table)
    matched.report.raise_if_incomplete()
    moves = list(_moves(stored, table, matched))
    files = {name: (folder / name).read_bytes() for name in TOKENIZER_FILES if (folder / name).is_file()}
    return Original(_origin(stored.path), config, head, moves, files, checkpoint.generation_config)


def _moves(stored: StoredWeights, table: Sequence[Parameter], matched: Matched) -> Iterator[Move]:
    tensors, report = matched
    in_file = {canonical_name(name): name for name in stored.names()}
    for parameter in table:
        name, tensor = parameter.name, tensors[parameter.name]
        filled = report.filled.get(name)
        source = tensor.origin or in_file.get(filled or name, name)
        if filled == "zeros":
            yield Move(None, name, "made: zeros", tensor)
        elif parameter.tied_to is None:
            yield Move(source, name, _done(source, name, tensor), tensor)
        elif filled is None:
            yield left_out(source, f"left out: the same numbers as `{parameter.tied_to}`", tensor)
    for name in report.unused:
        why = "left out: the config names a model without this head" if HEADS.match(name) else "left out: no weights"
        yield left_out(name, why, stored.tensor(name))


def _done(source: str, name: str, tensor: StoredTensor) -> str:
    if tensor.origin and is_turned(source):
        return "transposed"
    return "kept" if source in (name, name.removeprefix("model.")) else "renamed"


def _origin(file: Path) -> str:
    name = file.name.removesuffix(".index.json")
    return f"{ORIGINS.get(Path(name).suffix, 'PyTorch')} weights"
