"""What the training tests learn with: a few talks, a model of four thousand numbers, and a run in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bartleby.training.cadence import RunOptions
from bartleby.training.recipes.chat import ChatOptions, ChatRecipe
from bartleby.training.recipes.recipe import DataOptions, ModelOptions
from bartleby.training.run import Run
from bartleby.training.settings import TrainingOptions

TOPICS = ("cats", "dogs", "films", "songs", "books", "trains", "boats", "trees")
CHANGES = (
    "vocab_size=300",
    "d_model=16",
    "encoder_layers=1",
    "decoder_layers=1",
    "encoder_attention_heads=2",
    "decoder_attention_heads=2",
    "encoder_ffn_dim=24",
    "decoder_ffn_dim=24",
    "dropout=0.1",
)
"""Dropout is on, so that a resumed run must also draw what an unbroken one draws."""


def write_corpora(folder: Path) -> Path:
    """Two corpora, one of them with personas, each with a valid split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid"):
        talks = [
            {"turns": [f"Do you like {topic}?", f"Yes, I like {topic}.", f"I like {topic} too!", "Nice."]}
            for topic in TOPICS
        ]
        people = [
            {
                "turns": ["Hi, who are you?", f"I am a friend of {topic}.", "I see."],
                "personas": [["I ask."], [f"I love {topic}."]],
            }
            for topic in TOPICS
        ]
        for name, records in (("talks", talks), ("people", people)):
            lines = "".join(json.dumps(record) + "\n" for record in records)
            (folder / f"{name}.{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def tiny_recipe(data: Path, **others: Any) -> ChatRecipe:
    """Chat with the corpora in `data`; `others` are data options."""
    return ChatRecipe(ChatOptions(), ModelOptions(change=CHANGES), DataOptions(data, batch_tokens=120, **others), 3)


def tiny_training(steps: int | None, **others: Any) -> TrainingOptions:
    """So many steps at a high rate."""
    rates = {"learning_rate": 5e-3, "warmup_steps": 2}
    if others.get("optimizer", "muon") == "muon":
        rates["matrix_rate"] = 5e-3
    return TrainingOptions(steps=steps, precision="no", seed=3, **{**rates, **others})


def quiet(line: str) -> None:
    """Say nothing."""


def tiny_run(data: Path, path: Path, steps: int, **options: Any) -> Run:
    """A run of `steps` on the corpora in `data`, set up in `path`; `options` are the run's."""
    return Run(tiny_recipe(data), tiny_training(steps), RunOptions(**options), path, quiet)
