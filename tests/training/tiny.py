"""What the training tests learn with: a few talks, a model of four thousand numbers, and a run in seconds."""

from __future__ import annotations

import json
from pathlib import Path

from bartleby.training.chat_run import ChatRun, ChatRunOptions
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


def tiny_options(data: Path, steps: int, **others: object) -> ChatRunOptions:
    """A run of `steps` on the corpora in `data`."""
    training = TrainingOptions(
        steps=steps, learning_rate=5e-3, matrix_rate=5e-3, warmup_steps=2, precision="no", seed=3
    )
    return ChatRunOptions(data=data, training=training, batch_tokens=120, changes=CHANGES, **others)  # type: ignore[arg-type]


def quiet(line: str) -> None:
    """Say nothing."""


def tiny_run(data: Path, path: Path, steps: int) -> ChatRun:
    """The same, set up in `path`."""
    return ChatRun(tiny_options(data, steps), path, quiet)
