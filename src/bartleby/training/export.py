"""From a run to a checkpoint one can ship: float16 weights, tokenizer, decoding options and a measured model card."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bartleby.backends.pytorch.backend import PyTorchBackend
from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import CheckpointError
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from bartleby.training.chat_run import model_perplexity
from bartleby.training.model_card import CardFacts, Sample, model_card
from bartleby.training.runs import RunFolder
from bartleby.training.store import Examples

SAMPLES = 10
SAMPLE_SEED = 1


def export_run(run: Path, target: Path, say: Callable[[str], None]) -> Path:
    """Write the newest checkpoint of `run` into the folder `target`, in the place of a checkpoint that was there.

    Raises: CheckpointError if the run has no checkpoint, or `target` holds something else than a checkpoint.
    """
    folder = RunFolder(run)
    recipe, checkpoints = folder.recipe, folder.checkpoints()
    if recipe is None or not checkpoints:
        raise CheckpointError(f"{run} must be the folder of a run with a checkpoint, but has none. Train first.")
    if target.exists() and not (target / "config.json").is_file():
        raise CheckpointError(f"{target} exists and is no checkpoint. Choose another folder.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    step = int(checkpoints[-1].name.removeprefix("step-"))
    try:
        _halve(checkpoints[-1], draft)
        card = model_card(replace(_facts(folder, recipe, draft, say), name=target.name, step=step))
        (draft / "README.md").write_text(card, encoding="utf-8")
        _swap(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _halve(checkpoint: Path, draft: Path) -> None:
    """The checkpoint again, its weights in float16."""
    model = BlenderbotForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float16)
    tokenizer = BlenderbotTokenizer.from_pretrained(checkpoint)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)


def _facts(folder: RunFolder, recipe: dict[str, Any], draft: Path, say: Callable[[str], None]) -> CardFacts:
    """Measure the exported weights, and collect the rest from the run's log."""
    model = BlenderbotForConditionalGeneration.from_pretrained(draft, dtype=torch.float32)
    tokenizer = BlenderbotTokenizer.from_pretrained(draft)
    pairs = Examples.open(folder.path / "valid")
    figure = model_perplexity(model, pairs)
    say(f"Validation perplexity {figure.value:.2f} over {figure.tokens} tokens of {len(pairs)} replies.")
    rows = np.random.default_rng(SAMPLE_SEED).permutation(len(pairs))[:SAMPLES]
    return CardFacts(
        config=model.config,
        generation=model.generation_config,
        recipe=recipe,
        corpora=folder.figures("corpora")[-1],
        steps=folder.figures("step"),
        perplexity=figure,
        validation_replies=len(pairs),
        samples=samples(PyTorchBackend(model), tokenizer, pairs.take(rows)),
        starts=folder.figures("start"),
    )


def samples(backend: PyTorchBackend, tokenizer: BlenderbotTokenizer, pairs: Examples) -> Sequence[Sample]:
    """What the model answers to the sources of `pairs`, decoded as its checkpoint says."""
    sources, targets = pairs.rows("source"), pairs.rows("target")
    answers = backend.generate(sources, backend.generation_config)

    def text(ids: Sequence[int]) -> str:
        return tokenizer.decode(list(ids), skip_special_tokens=True).strip()

    return [
        Sample(tokenizer.decode(source, skip_special_tokens=True), text(best.ids), text(target))
        for source, target, [best, *_] in zip(sources, targets, answers, strict=True)
    ]


def _swap(draft: Path, target: Path) -> None:
    """Put `draft` where `target` was; in between neither is gone."""
    old = target.with_name(f".{target.name}.old.{os.getpid()}")
    if target.exists():
        target.replace(old)
    draft.replace(target)
    shutil.rmtree(old, ignore_errors=True)
