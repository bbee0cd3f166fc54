"""What longer positions are worth: a chat model of 128 positions stretched to 256, before and after a brief tuning.

    python benchmarks/lengthening.py --data FOLDER --steps 300 --out lengthening.json

Measured is the perplexity of replies to long histories of FOLDER's dialogues: whole histories of 129 to 256 tokens,
from the valid split. The model as it is reads the last 128 tokens of each; tuned as long on such, it tells how much of
a gain is the tuning's and not the length's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bartleby import AutoModelForSeq2SeqLM, AutoTokenizer
from bartleby.training.batches import Batches
from bartleby.training.collation import Padding, PairCollation
from bartleby.training.corpora import read_records, training_files, validation_files
from bartleby.training.lengthening import METHODS, lengthen
from bartleby.training.objectives.likelihood import TargetLoss
from bartleby.training.recipes.chat import ChatExamples, ChatOptions
from bartleby.training.records import Dialogue, as_dialogue
from bartleby.training.settings import TrainingOptions
from bartleby.training.store import Examples
from bartleby.training.trainer import Trainer
from bartleby.training.validation.perplexity import pair_perplexity

SHOWN_EVERY = 25


def long_histories(tokenizer: Any, files: list[Path], most: int, least: int, count: int) -> Examples:
    """Replies to whole histories of `least` to `most` tokens, at most `count` of them, drawn once from all."""
    options = ChatOptions(layout="two_spaces", source_tokens=most, persona_share=0.0)
    dialogues: Iterator[Dialogue] = read_records(files, as_dialogue, on_bad_record="skip")
    found = [row for row in ChatExamples(tokenizer, options).rows(dialogues) if len(row["source"]) >= least]
    order = np.random.default_rng(0).permutation(len(found))[:count]
    return Examples.of({side: [found[place][side] for place in order] for side in ("source", "target")})


def last_tokens(examples: Examples, count: int) -> Examples:
    """The same replies to the ends of the histories."""
    sources = [row[-count:] for row in examples.rows("source")]
    return Examples.of({"source": sources, "target": examples.rows("target")})


def tuned(model: Any, examples: Examples, arguments: argparse.Namespace, name: str) -> float:
    """Teach `model` the examples for a while; returns the seconds it took."""
    collation = PairCollation(examples, Padding.of(model.config))
    batches = Batches(collation.lengths(), collation, arguments.batch_tokens, seed=0)
    options = TrainingOptions(
        steps=arguments.steps,
        optimizer="adamw",
        learning_rate=arguments.learning_rate,
        warmup_steps=max(1, arguments.steps // 10),
        precision=arguments.precision,
    )
    started = time.monotonic()
    for report in Trainer(TargetLoss(model), batches.from_number, options).run():
        if report.step % SHOWN_EVERY == 0:
            print(f"    {name}: step {report.step} of {arguments.steps}, loss {report.loss:.3f}", flush=True)
    return time.monotonic() - started


def measured(method: str | None, sets: dict[str, Examples], arguments: argparse.Namespace) -> dict[str, Any]:
    """A model lengthened in some way, or not at all: perplexity before and after it was tuned."""
    model = AutoModelForSeq2SeqLM.from_pretrained(arguments.model)
    before = model.config.max_position_embeddings
    train, valid = sets["train"], sets["valid"]
    if method is None:
        name = f"as it is, last {before} tokens"
        train, valid = last_tokens(train, before), last_tokens(valid, before)
    else:
        name = f"{method} to {arguments.positions}"
        lengthen(model, arguments.positions, method)
    first = pair_perplexity(model, valid)()["perplexity"]
    seconds = tuned(model, train, arguments, name)
    last = pair_perplexity(model, valid)()["perplexity"]
    return {"positions": name, "before": first, "after": last, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of dialogues, NAME.train and NAME.valid")
    parser.add_argument("--model", default="bartleby-chat-mini")
    parser.add_argument("--positions", type=int, default=256)
    parser.add_argument("--methods", nargs="*", default=["interpolate"], choices=list(METHODS))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--batch-tokens", type=int, default=5000)
    parser.add_argument("--precision", default="bf16", choices=["no", "bf16"])
    parser.add_argument("--examples", type=int, default=20_000, help="to learn from, at most")
    parser.add_argument("--validation-examples", type=int, default=1000)
    parser.add_argument("--leave-out", nargs="*", default=[], help="corpora to do without")
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    least = AutoModelForSeq2SeqLM.from_pretrained(arguments.model).config.max_position_embeddings + 1
    sets = {}
    for split, files, count in (
        ("train", training_files(arguments.data, arguments.leave_out), arguments.examples),
        ("valid", validation_files(arguments.data, None, arguments.leave_out), arguments.validation_examples),
    ):
        sets[split] = long_histories(tokenizer, files, arguments.positions, least, count)
        print(f"{split}: {len(sets[split]):,} replies to histories of {least} to {arguments.positions} tokens")
    rows = [measured(method, sets, arguments) for method in (None, *arguments.methods)]
    print(f"\nperplexity a token of the replies, before and after {arguments.steps} steps\n")
    print("| positions | before | after | minutes |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['positions']} | {row['before']:.2f} | {row['after']:.2f} | {row['seconds'] / 60:.1f} |")
    if arguments.out is not None:
        settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(arguments).items()}
        counts = {split: len(examples) for split, examples in sets.items()}
        document = {"settings": settings, "examples": counts, "rows": rows}
        arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
