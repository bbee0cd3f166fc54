"""`bartleby convert`: originals of other programs, and weights of other frameworks, into checkpoint folders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bartleby.errors import OptionError

if TYPE_CHECKING:
    from bartleby.checkpoints.conversion import ConversionReport, Move

LAYER = re.compile(r"layers([./])(\d+)")


def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder, a tar archive, or a file of weights.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the checkpoint goes.")],
    dtype: Annotated[
        str | None, typer.Option(metavar="NAME", help="float32, float16 or bfloat16; else as it is.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="The published checkpoint it is, for its decoding options.")
    ] = None,
    bpe: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where fairseq's encoder.json and vocab.bpe lie.")
    ] = None,
    max_shard_size: Annotated[str, typer.Option(metavar="SIZE", help="Of one file of weights.")] = "50GB",
    container: Annotated[
        str, typer.Option("--to", metavar="NAME", help="What weights are written as: safetensors, flax or tensorflow.")
    ] = "safetensors",
    report: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the whole report there, too.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the checkpoint that is in FOLDER.")] = False,
) -> None:
    """Turn an original of fairseq or ParlAI, or weights of TensorFlow or Flax, into a checkpoint folder.

    Prints what became of every tensor. Nothing is written unless all of it is understood.
    """
    from bartleby.checkpoints.convert import ConversionOptions
    from bartleby.checkpoints.convert import convert as convert_checkpoint
    from bartleby.documents import write_whole

    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise OptionError(f"`--json` must be a file in a folder that is there, but is {report}.")
    options = ConversionOptions(dtype, preset, bpe, force, max_shard_size, container)
    done = convert_checkpoint(source, folder, options)
    if report is not None:
        write_whole(report, json.dumps(done.as_dict(), indent=2, ensure_ascii=False) + "\n")
    print("\n".join(lines_of(done)))


def lines_of(report: ConversionReport) -> Iterator[str]:
    """The report as text: a line for each kind of tensor, what was made and left out, and what to know."""
    original = report.original
    config = original.config
    head = "bare model" if original.head == "none" else original.head.replace("_", " ")
    yield f"{report.source}: {original.origin}"
    yield f"{report.folder}: {config.model_type}, {head}, {report.dtype}"
    yield ""
    yield from table_of([*report.written, *report.made, *report.left_out])
    yield ""
    yield f"{len(report.written)} tensors written, {len(report.made)} made, {len(report.left_out)} left out."
    if original.generation_config is not None:
        options = ", ".join(f"{name} {value}" for name, value in sorted(original.generation_config.items()))
        yield f"Decoding options: {options}."
    yield from original.notes
    yield f"Files: {', '.join(report.files)}."


def table_of(moves: list[Move]) -> Iterator[str]:
    """From, to, shape and deed, aligned; tensors that differ in nothing but their layer share a line."""
    layers: dict[tuple[str, ...], list[int]] = {}
    for move in moves:
        number = LAYER.search(move.target or move.source or "")
        names = (LAYER.sub("layers\\1\0", name or "-") for name in (move.source, move.target))
        shape = f"{'x'.join(map(str, move.tensor.shape)) or 'number'} {move.tensor.dtype}"
        layers.setdefault((*names, shape, move.done), []).append(int(number[2]) if number else 0)
    rows = [(*(name.replace("\0", spans(found)) for name in row[:2]), *row[2:]) for row, found in layers.items()]
    widths = [max(map(len, column)) for column in zip(("from", "to", "shape", ""), *rows, strict=True)]
    for row in (("from", "to", "shape", "done"), *rows):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def spans(numbers: list[int]) -> str:
    """Numbers in few words: 0, 1, 2, 5 is "0-2,5"."""
    ends = [number for number in numbers if number + 1 not in numbers]
    starts = [number for number in numbers if number - 1 not in numbers]
    pairs = zip(sorted(starts), sorted(ends), strict=True)
    return ",".join(str(start) if start == end else f"{start}-{end}" for start, end in pairs)
