"""`--dry-run`: what a training would do, told without doing it. Examples are made in a folder that goes again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bartleby.training.batches import IGNORED_LABEL, Batch
from bartleby.training.cadence import RunOptions
from bartleby.training.recipes.recipe import Recipe, Setup, Tell
from bartleby.training.settings import TrainingOptions
from bartleby.training.store import Examples

if TYPE_CHECKING:
    from bartleby.tokenization.base import PreTrainedTokenizer

ROWS_SHOWN = 3
LONGEST_LINE = 300
"""Characters of a text that are shown."""


def plan_of(recipe: Recipe, training: TrainingOptions, options: RunOptions, tell: Tell) -> Iterator[str]:
    """Model, examples, steps, schedule, memory and the first batch, as lines.

    Raises: as the training itself would before its first step.
    """
    from bartleby.training.pace import refuse_length

    refuse_length(training, options)
    if getattr(recipe.options, "pseudo_labels", None) is not None:
        tell("The batch below shows the targets of the corpora; the teacher's own would stay, and take long to write.")
        recipe = replace(recipe, options=replace(recipe.options, pseudo_labels=None))
    with TemporaryDirectory(prefix="bartleby-dry-run-") as made:
        folder = Path(made)
        recipe.prepare(folder, tell)
        setup = recipe.setup(folder)
        yield model_line(recipe, setup)
        yield examples_line(setup, len(Examples.open(folder / "valid")))
        yield from steps_lines(setup, training, options)
        yield memory_line(recipe, setup, training)
        yield ""
        batch = next(setup.batches.from_number(0))
        yield f"The first batch: {batch.examples} examples, {batch.tokens:,} tokens."
        yield from batch_lines(batch, setup.tokenizer)


def model_line(recipe: Recipe, setup: Setup) -> str:
    """What is taught, and how much of it learns."""
    config = setup.model.config
    parameters = list(setup.model.parameters())
    learning = sum(each.numel() for each in parameters if each.requires_grad)
    count = sum(each.numel() for each in parameters)
    start = recipe.model.model or f"a new model, shaped as {recipe.model.preset or recipe.preset}"
    shape = f"{config.model_type}, {config.encoder_layers} + {config.decoder_layers} layers, d_model {config.d_model}"
    return f"{recipe.kind}: {start} ({shape}), {count:,} parameters, {learning:,} of them learn."


def examples_line(setup: Setup, held_out: int) -> str:
    """What is learnt from."""
    lengths = setup.batches.lengths
    longest = int(lengths.sum(axis=1).max())
    tokens = f"{int(lengths.sum()):,} tokens, the longest {longest:,}"
    return f"Examples: {len(lengths):,} to learn from, with {tokens}; {held_out:,} to measure on."


def steps_lines(setup: Setup, training: TrainingOptions, options: RunOptions) -> Iterator[str]:
    """How many steps there are, and how fast each learns."""
    plan = setup.batches.plan(0)
    steps = training.steps
    if options.epochs is not None:
        steps = max(1, round(options.epochs * len(plan)))
    if steps is None:
        yield f"Steps: as many as take {options.minutes:g} minutes, as measured at the start; {len(plan):,} an epoch."
    else:
        epochs = steps / len(plan)
        tokens = epochs * int(sum(setup.batches.lengths[rows].sum() for rows in plan))
        yield f"Steps: {steps:,}, {len(plan):,} an epoch, so {epochs:.3g} epochs and about {tokens:,.0f} tokens."
    highest = f"{training.learning_rate:g}"
    if training.optimizer == "muon":
        highest += f" (matrices: {training.matrix_rate:g})"
    after = training.schedule
    if after in ("cosine", "linear"):
        after += f" down to {training.final_share:.0%} of it"
    yield f"Rate: {training.optimizer}, up to {highest} within {training.warmup_steps} steps, then {after}."


def memory_line(recipe: Recipe, setup: Setup, training: TrainingOptions) -> str:
    """What a step needs room for, by what it is for."""
    from bartleby.training.memory import training_bytes

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    longest = int(setup.batches.lengths.max())
    needed = training_bytes(setup.model, training, recipe.data.batch_tokens, longest, processes)
    parts = ", ".join(f"{name} {megabytes(size)}" for name, size in vars(needed).items() if size)
    each = f" in each of {processes} processes" if processes > 1 else ""
    return f"Memory: about {megabytes(needed.total)}{each} ({parts}), and what PyTorch itself takes."


def megabytes(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e6:.2f} MB"


def batch_lines(batch: Batch, tokenizer: PreTrainedTokenizer) -> Iterator[str]:
    """Shapes, and the first rows as text."""
    for name, array in batch.arrays.items():
        yield f"  {name} {tuple(array.shape)} {array.dtype}"
    for row in range(min(ROWS_SHOWN, batch.examples)):
        yield f"  row {row + 1}"
        for name, array in batch.arrays.items():
            if "mask" not in name:
                yield f"    {name}: {shown(array[row], name, batch, row, tokenizer)}"


def shown(values: Any, name: str, batch: Batch, row: int, tokenizer: PreTrainedTokenizer) -> str:
    """Ids as text, without padding and labels that do not count; everything else as numbers."""
    if values.ndim != 1 or not (name.endswith("input_ids") or name == "labels") or values.dtype.kind != "i":
        return " ".join(str(values.tolist()).split())[:LONGEST_LINE]
    mask = batch.arrays.get("attention_mask") if name == "input_ids" else None
    ids = values[values != IGNORED_LABEL] if mask is None else values[mask[row] == 1]
    text = repr(tokenizer.decode(ids.tolist(), skip_special_tokens=False))
    return text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + "…"
