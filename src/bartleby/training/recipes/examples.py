"""Records become examples: rows on disk for what is learnt from, and a sample of the others to measure on."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bartleby.errors import DataError, OptionError, raise_all
from bartleby.training.corpora import Reading
from bartleby.training.recipes.recipe import Figures, Recipe, Tell
from bartleby.training.store import Examples, ExampleWriter, Row

Item = TypeVar("Item")

RECORDS_AT_ONCE = 2000
"""Records whose texts are given to the tokenizer together: enough to keep all its threads busy."""
MANY = 0.25
"""More texts than this share are not cut by a limit that fits them."""
VALIDATION_SEED = 0
"""Which examples are measured on must not hang on the run's seed, or runs could not be compared."""


@dataclass(frozen=True)
class Making:
    """The examples of one split on their way: rows as they are made of what is read."""

    rows: Iterable[Mapping[str, Row]]
    reading: Reading
    report: Any
    """A dataclass that counts what becomes of the records, and says so by its `told()`."""
    of: str = ""
    """What the records are called; nothing where the report itself says how many there were."""

    def told(self) -> str:
        """What came of it, in a sentence."""
        begun = f"{sum(self.reading.records.values()):,} {self.of} gave " if self.of else ""
        return f"{begun}{self.report.told()}."

    def refuse_none(self, examples: int, purpose: str) -> None:
        """Raises: DataError, with what became of the records, if there is no example."""
        if examples:
            return
        skipped = f" Skipped: {self.reading.refused:,} bad records." if self.reading.refused else ""
        remedy = "Mend the records, raise the length limits, or give other corpora."
        raise DataError(f"There is no example to {purpose}. {self.told()}{skipped} {remedy}")


def share_told(count: int, whole: int) -> str:
    """A count, with its share where that is so large that a limit is probably a slip."""
    return f"{count:,} ({count / whole:.0%})" if count > MANY * whole else f"{count:,}"


def write_splits(folder: Path, training: Making, validation: Making, sample: int, tell: Tell) -> Figures:
    """Write `train/` and `valid/` into `folder`, of the latter a sample; returns the figures of `Recipe.prepare`.

    Raises: DataError if a split has no example.
    """
    write_training(folder / "train", training, tell)
    count = write_sample(folder / "valid", validation.rows, sample)
    tell_skipped(validation, count, tell)
    return figures_of(training, validation)


def write_training(folder: Path, making: Making, tell: Tell) -> None:
    """Write all there is to learn from and tell what came of it.

    Raises: DataError if that is nothing.
    """
    count = write_examples(folder, making.rows)
    for line in making.reading.told():
        tell(line)
    making.refuse_none(count, "learn from")
    tell(making.told())


def tell_skipped(validation: Making, count: int, tell: Tell) -> None:
    """Tell which records the validation goes without.

    Raises: DataError if it has no example.
    """
    for line in validation.reading.told():
        tell(line)
    validation.refuse_none(count, "measure on")


def figures_of(training: Making, validation: Making) -> Figures:
    """What the log holds of both: `records` a corpus, how many were `skipped`, and the reports."""
    held_out = {"skipped": validation.reading.refused, **asdict(validation.report)}
    read = {"records": training.reading.records, "skipped": training.reading.refused}
    return {**read, **asdict(training.report), "validation": held_out}


def write_examples(folder: Path, rows: Iterable[Mapping[str, Row]]) -> int:
    """Write rows into a new folder of examples; returns how many."""
    with ExampleWriter(folder) as writer:
        for row in rows:
            writer.add(**row)
    return writer.count


def write_sample(folder: Path, rows: Iterable[Mapping[str, Row]], count: int) -> int:
    """As `write_examples`, at most `count` of them drawn once; all are on disk for a moment, never in memory."""
    whole = folder.with_name(f"{folder.name}-whole")
    if write_examples(whole, rows):
        sampled(Examples.open(whole), count).save(folder)
    shutil.rmtree(whole)
    return len(Examples.open(folder)) if folder.exists() else 0


def sampled(examples: Examples, count: int) -> Examples:
    """At most `count` examples in an order drawn once, so that a few of them from the front are a fair sample."""
    order = np.random.default_rng(VALIDATION_SEED).permutation(len(examples))
    return examples.take(order[:count])


def chunks(items: Iterable[Item], size: int = RECORDS_AT_ONCE) -> Iterator[list[Item]]:
    """The items in lists of `size`, the last one shorter."""
    waiting = iter(items)
    while several := list(islice(waiting, size)):
        yield several


def refuse_beyond_positions(recipe: Recipe, *names: str) -> None:
    """Refuse lengths among the recipe's own options that the model has no positions for.

    Raises: OptionError naming all of them.
    """
    from bartleby.training.recipes.start import starting_config

    positions = recipe.model.positions or starting_config(recipe).max_position_embeddings
    faults = [
        f"`{name}` must be at most {positions}, the model's positions, but is {getattr(recipe.options, name)}."
        for name in names
        if (getattr(recipe.options, name) or 0) > positions
    ]
    raise_all(OptionError, faults, recipe.options.subject)
