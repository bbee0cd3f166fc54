"""From a run to a checkpoint one can ship: float16 weights, tokenizer, decoding options and a measured model card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bartleby.backends.pytorch import models
from bartleby.backends.pytorch.backend import PyTorchBackend
from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.backends.pytorch.model import Model
from bartleby.errors import CheckpointError, raise_all
from bartleby.tasks.batches import Writing, best_answers
from bartleby.tasks.texts import text_of
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.model_card import CardFacts, Sample, model_card
from bartleby.training.runs import RunFolder, checkpoint_of, step_of
from bartleby.training.stages import Stage, all_stages
from bartleby.training.store import Examples
from bartleby.training.validation.perplexity import pair_perplexity

SAMPLES = 10
SAMPLE_SEED = 1
SHARD_SIZE = "15MB"
"""A shipped file is at most so large: repositories refuse much larger ones."""


def export_run(
    run: Path,
    target: Path,
    tell: Callable[[str], None],
    *,
    figures: Sequence[Mapping[str, Any]] = (),
    max_shard_size: int | str = SHARD_SIZE,
    force: bool = False,
) -> Path:
    """Write the best checkpoint of `run` into the folder `target`, with `force` in the place of one that was there.

    `figures` are documents that `bartleby evaluate --json` wrote, for the card; measure the folder, then export again.
    Raises: CheckpointError if the run has no checkpoint, `target` cannot be written (`refuse_target`), or the weights
        do not fit float16.
    """
    folder = RunFolder(run)
    if not folder.is_run:
        raise CheckpointError(f"{run} must be the folder of a run with a checkpoint, but has none. Train first.")
    checkpoint = Path(checkpoint_of(str(run)))
    refuse_target(target, force)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _halve(checkpoint, draft, max_shard_size)
        stages = all_stages(folder, step_of(checkpoint))
        (draft / "README.md").write_text(model_card(_facts(folder, draft, stages, target.name, figures)), "utf-8")
        _swap(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    tell(f"{checkpoint.name} is in {target}, in files of at most {max_shard_size}.")
    return target


def refuse_target(target: Path, force: bool) -> None:
    """Raises: CheckpointError if an export to `target` would overwrite something, or could not be written there."""
    if target.exists():
        if not (target / "config.json").is_file() and not _is_empty(target):
            raise CheckpointError(f"{target} exists and is no checkpoint. Choose another folder.")
        if (target / "config.json").is_file() and not force:
            raise CheckpointError(f"{target} holds a checkpoint. Choose another folder, or replace it (`--force`).")
    above = next(folder for folder in target.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        kind = "cannot be written to" if above.is_dir() else "is a file"
        raise CheckpointError(f"{target} must be a folder that can be made, but {above} {kind}. Choose another folder.")


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _halve(checkpoint: Path, draft: Path, max_shard_size: int | str) -> None:
    """The checkpoint again, its weights in float16."""
    model = model_class(checkpoint).from_pretrained(checkpoint, dtype=torch.float16)
    faults = [
        f"`{name}` has values beyond float16's 65,504."
        for name, weight in model.state_dict().items()
        if not torch.isfinite(weight).all()
    ]
    raise_all(CheckpointError, faults, f"{checkpoint} cannot be shipped in float16")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, use_fast=False)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(draft, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(draft)


def model_class(checkpoint: Path) -> type[Model]:
    """The published class that a checkpoint was saved as.

    Raises: CheckpointError if it does not say, or it is none of ours.
    """
    try:
        [name, *_] = json.loads((checkpoint / "config.json").read_text("utf-8"))["architectures"]
        found: type[Model] = vars(models)[name]
    except (OSError, KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{checkpoint / 'config.json'} must name one of our classes in `architectures`."
        ) from None
    return found


def _facts(
    folder: RunFolder, draft: Path, stages: Sequence[Stage], name: str, figures: Sequence[Mapping[str, Any]]
) -> CardFacts:
    """Measure the exported weights; those that write also give samples. The rest is in the runs' logs."""
    model = model_class(draft).from_pretrained(draft, dtype=torch.float32)
    examples = Examples.open(folder.path / "data" / "valid")
    measured, samples = stages[-1].figures, []
    writes = False
    if isinstance(model, ConditionalGeneration) and {"source", "target"} <= set(examples.columns):
        writes = True
        measured = pair_perplexity(model, examples)()
        rows = np.random.default_rng(SAMPLE_SEED).permutation(len(examples))[:SAMPLES]
        tokenizer = AutoTokenizer.from_pretrained(draft, use_fast=False)
        samples = samples_of(PyTorchBackend(model), tokenizer, examples.take(rows))
    return CardFacts(
        name=name,
        config=model.config,
        generation=model.generation_config if isinstance(model, ConditionalGeneration) else None,
        stages=stages,
        measured=measured,
        in_float32=writes,
        evaluations=figures,
        samples=samples,
    )


def samples_of(backend: PyTorchBackend, tokenizer: PreTrainedTokenizer, pairs: Examples) -> list[Sample]:
    """What the model answers to the sources of `pairs`, decoded as its checkpoint says."""
    sources, targets = pairs.rows("source"), pairs.rows("target")
    answers = best_answers(backend, sources, Writing(backend.generation_config, SAMPLE_SEED))
    return [
        Sample(text_of(tokenizer, source), text_of(tokenizer, answer.ids), text_of(tokenizer, target))
        for source, target, answer in zip(sources, targets, answers, strict=True)
    ]


def _swap(draft: Path, target: Path) -> None:
    """Put `draft` where `target` was; in between neither is gone."""
    old = target.with_name(f".{target.name}.old.{os.getpid()}")
    if target.exists():
        target.replace(old)
    draft.replace(target)
    shutil.rmtree(old, ignore_errors=True)
