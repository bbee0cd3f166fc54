"""Many texts through one model: those of like length side by side, the answers in the order of the texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bartleby.backends.grouping import alike_in_length
from bartleby.backends.protocol import Backend, Texts
from bartleby.generation.beams import Hypothesis
from bartleby.generation.config import GenerationConfig

SOURCE_TOKENS = 16_384
"""Padded tokens of sources that are read at once; those written for, divided by the number of beams."""


Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Writing:
    """How answers are written; the same for all texts."""

    options: GenerationConfig
    seed: int | None = None
    """Of sampling: equal texts, options and seed give equal answers."""


def best_answers(
    backend: Backend, sources: Texts, writing: Writing, watch: Callable[[int], None] | None = None
) -> list[Hypothesis]:
    """The best answer to each source; `watch` is told after every batch how many are done.

    Raises: as `Backend.generate`, before anything of the batch concerned is computed.
    """
    found: dict[int, Hypothesis] = {}
    rows = max(writing.options.num_beams, writing.options.num_return_sequences)
    for number, members in enumerate(alike_in_length(sources, SOURCE_TOKENS // rows)):
        seed = None if writing.seed is None else writing.seed + number  # batches must not draw the same numbers
        outputs = backend.generate([sources[place] for place in members], writing.options, seed)
        found |= {place: output[0] for place, output in zip(members, outputs, strict=True)}
        if watch is not None:
            watch(len(found))
    return [found[place] for place in range(len(sources))]


def in_batches(
    texts: Texts, ask: Callable[[Texts], Sequence[Answer]], watch: Callable[[int], None] | None = None
) -> list[Answer]:
    """What `ask`, such as `Backend.classify`, says to each text; `watch` is told as in `best_answers`."""
    found: dict[int, Answer] = {}
    for members in alike_in_length(texts, SOURCE_TOKENS):
        found |= dict(zip(members, ask([texts[place] for place in members]), strict=True))
        if watch is not None:
            watch(len(found))
    return [found[place] for place in range(len(texts))]
