"""What recipes do alike to make examples: texts within their limits, rows on disk, a sample to measure on."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from bartleby.errors import DataError, OptionError, raise_all
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.recipes.recipe import Recipe, sampled
from bartleby.training.store import Examples, ExampleWriter, Row

Item = TypeVar("Item")

RECORDS_AT_ONCE = 2000
"""Records whose texts are given to the tokenizer together: enough to keep all its threads busy."""


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


def chunks(items: Iterable[Item], size: int = RECORDS_AT_ONCE) -> Iterator[list[Item]]:
    """The items in lists of `size`, the last one shorter."""
    waiting = iter(items)
    while several := list(islice(waiting, size)):
        yield several


def encode(
    tokenizer: PreTrainedTokenizer, texts: Sequence[str], pairs: Sequence[str] | None = None, **options: Any
) -> list[list[int]]:
    """The ids of texts, or of pairs of texts, as long as they are.

    What looks like a special token in a text is text: a `</s>` in the middle would end a target, and a label is read
    off the last one.
    """
    given = list(texts), None if pairs is None else list(pairs)
    ids: list[list[int]] = tokenizer(
        *given, split_special_tokens=True, return_attention_mask=False, verbose=False, **options
    )["input_ids"]
    return ids


def ended(tokenizer: PreTrainedTokenizer, ids: list[int]) -> list[int]:
    """A target with its end, which the tokenizer of Blenderbot-Small does not add: a model must learn to stop."""
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, end]


def encode_within(
    tokenizer: PreTrainedTokenizer, texts: Sequence[str], most: int, pairs: Sequence[str] | None = None
) -> list[tuple[list[int], bool]]:
    """The ids of texts (or pairs), cut to `most` behind, and whether they were; of a pair the longer text is cut."""
    whole = encode(tokenizer, texts, pairs)
    long = [place for place, ids in enumerate(whole) if len(ids) > most]
    if long:
        again = [texts[place] for place in long], None if pairs is None else [pairs[place] for place in long]
        for place, ids in zip(long, encode(tokenizer, *again, truncation=True, max_length=most), strict=True):
            whole[place] = ids
    cut = set(long)
    return [(ids, place in cut) for place, ids in enumerate(whole)]


def write_examples(folder: Path, rows: Iterable[Mapping[str, Row]]) -> int:
    """Write rows into a new folder of examples; returns how many."""
    with ExampleWriter(folder) as writer:
        for row in rows:
            writer.add(**row)
    return writer.count


def write_sample(folder: Path, rows: Iterable[Mapping[str, Row]], count: int) -> int:
    """As `write_examples`, at most `count` of them drawn once; all are on disk for a moment, never in memory.

    Raises: DataError if there is none.
    """
    whole = folder.with_name(f"{folder.name}-whole")
    refuse_none(write_examples(whole, rows))
    sample = sampled(Examples.open(whole), count)
    sample.save(folder)
    shutil.rmtree(whole)
    return len(sample)


def refuse_none(examples: int) -> None:
    """Raises: DataError if there is nothing to measure on."""
    if not examples:
        raise DataError("There is no example to measure on. Check the validation corpora and the length limits.")
