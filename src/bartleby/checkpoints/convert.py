"""Any checkpoint of the family -> a checkpoint folder: config, decoding options, weights and tokenizer files.

What is read: originals of fairseq (BART) and ParlAI (Blender), and folders in the published layout whose weights are
TensorFlow's, Flax's or PyTorch's. Nothing is written before all of it is known to be right, and then all at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from bartleby.checkpoints.conversion import FLOATS, ConversionReport, Original, recast
from bartleby.checkpoints.convert_fairseq import read_fairseq
from bartleby.checkpoints.convert_parlai import read_parlai
from bartleby.checkpoints.convert_published import TOKENIZER_FILES, read_published
from bartleby.checkpoints.fitting import give_decoding
from bartleby.checkpoints.folder import (
    CONFIG,
    DEFAULT_SHARD_SIZE,
    GENERATION_CONFIG,
    checkpoint_writers,
    content_writer,
    write_folder,
)
from bartleby.checkpoints.forms import SAFETENSORS, form_named
from bartleby.checkpoints.names import file_names
from bartleby.checkpoints.originals import original_folder
from bartleby.checkpoints.replacement import current_file
from bartleby.errors import CheckpointError, OptionError
from bartleby.family.parameters import HEADS_BY_CLASS, parameter_table
from bartleby.hub import WEIGHT_FILES

CLASSES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
SUFFIXES = {head: suffix for suffix, head in HEADS_BY_CLASS.items()}


@dataclass(frozen=True)
class ConversionOptions:
    """How a checkpoint is converted."""

    dtype: str | None = None
    """float32, float16 or bfloat16; None leaves every tensor as it is."""
    preset: str | None = None
    """The published checkpoint that it is, whose decoding options and labels it gets; None finds the one that fits."""
    bpe: Path | None = None
    """Where fairseq's encoder.json and vocab.bpe lie, if not beside model.pt."""
    replace: bool = False
    """Whether a checkpoint that is in the folder already is replaced."""
    max_shard_size: int | str = DEFAULT_SHARD_SIZE
    container: str = "safetensors"
    """Or flax (flax_model.msgpack) or tensorflow (tf_model.h5), as those programs write them."""


def convert(source: str | Path, folder: str | Path, options: ConversionOptions | None = None) -> ConversionReport:
    """Convert the checkpoint `source` (a folder, a tar archive, or the file of its weights) into `folder`.

    Raises: CheckpointError with everything that is missing, unknown or wrong, and nothing written; OptionError for a
        type or preset that cannot be.
    """
    options = options or ConversionOptions()
    place, target = Path(source), Path(folder)
    if options.dtype not in (None, *FLOATS):
        raise OptionError(f"`dtype` must be one of {', '.join(FLOATS)}, but is {options.dtype!r}.")
    form_named(options.container, "", bare=False)
    _refuse_target(target, place, options.replace)
    with original_folder(place, target) as opened:
        original = _read(place, opened, options)
        give_decoding(original, options.preset)
        return _write(place, target, original, options)


def _refuse_target(folder: Path, source: Path, may_replace: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file, so no checkpoint can be written there. Choose a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not may_replace:
        raise CheckpointError(f"{folder} is not empty. Choose another, or replace what is there (`--force`).")
    # A file of the hub's cache is a link: neither where it is nor where it leads to is a place to write to.
    if folder.resolve() in (source.resolve(), source.resolve().parent, source.parent.resolve()):
        raise CheckpointError(f"{folder} holds the original, which is left as it is. Choose another folder.")


def _read(source: Path, folder: Path, options: ConversionOptions) -> Original:
    """The original in `folder`; if `source` is the file of its weights, that one."""
    weights = source if source.is_file() and folder == source.parent else None
    found = {
        "fairseq": [path for path in (folder / "model.pt",) if path.is_file()],
        "ParlAI": [path.with_suffix("") for path in sorted(folder.glob("*.opt")) if path.with_suffix("").is_file()],
        "published": [folder / CONFIG] if current_file(folder, CONFIG) else [],
    }
    if weights is not None:
        origin = "fairseq" if weights in found["fairseq"] else "ParlAI" if weights in found["ParlAI"] else "published"
        found = {origin: [weights]}
    candidates = [(origin, path) for origin, paths in found.items() for path in paths]
    if len(candidates) != 1:
        raise CheckpointError(_unclear(source, candidates))
    [(origin, path)] = candidates
    if origin == "fairseq":
        return read_fairseq(path, options.bpe or path.parent)
    if origin == "ParlAI":
        return read_parlai(path)
    return read_published(folder, weights or folder)


def _unclear(source: Path, candidates: Iterable[tuple[str, Path]]) -> str:
    several = ", ".join(path.name for _, path in candidates)
    if several:
        return f"{source} holds more than one checkpoint: {several}. Give the file of the weights to be converted."
    return (
        f"{source} holds no checkpoint: neither fairseq's (model.pt), nor ParlAI's (a file and its .opt), "
        f"nor one in the published layout ({CONFIG} and weights)."
    )


def _write(source: Path, folder: Path, original: Original, options: ConversionOptions) -> ConversionReport:
    config, head = original.config, original.head
    class_name = CLASSES[config.model_type] + SUFFIXES[head]
    form = form_named(options.container, class_name, bare=head == "none")
    names = file_names(parameter_table(config, head), head)
    if form is not SAFETENSORS:
        names = {name: name for name in names}  # which the form translates itself
    weights = {
        names[move.target]: replace(move.tensor, name=move.target) for move in original.moves if move.target in names
    }
    if options.dtype:
        weights = {name: recast(tensor, options.dtype) for name, tensor in weights.items()}
    config.architectures = [class_name]
    config.dtype = next(iter(weights.values())).dtype
    writers = checkpoint_writers(
        config=config.to_diff_dict(),
        generation_config=original.generation_config,
        weights=weights,
        max_shard_size=options.max_shard_size,
        form=form,
    )
    writers |= {name: content_writer(content) for name, content in original.files.items()}
    write_folder(folder, writers, is_of_a_checkpoint)
    return ConversionReport(source, folder, config.dtype, original, tuple(writers))


def is_of_a_checkpoint(name: str) -> bool:
    """Whether a file would be read with, or instead of, what is written now."""
    patterns = (CONFIG, GENERATION_CONFIG, *TOKENIZER_FILES, *(p for each in WEIGHT_FILES.values() for p in each))
    return any(fnmatchcase(name, pattern) for pattern in patterns)
