"""What every task measures with: a model and its tokenizer, a sample of a file's examples, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bartleby.backends import open_backend
from bartleby.backends.protocol import Backend, Texts
from bartleby.errors import DataError
from bartleby.generation.options import listed
from bartleby.tasks.batches import Writing
from bartleby.tasks.texts import text_of
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer

Watch = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""

LOGITS = 2**25
"""Scores of tokens that a backend may hold at a time where it does not split by itself: 128 MB."""


@dataclass(frozen=True)
class Sampling:
    """Which of a file's examples are measured on."""

    limit: int | None = 500
    """None: all of them."""
    seed: int = 0

    def order(self, count: int) -> list[int]:
        """All places of `count` examples, in the order they are tried."""
        return [int(place) for place in np.random.default_rng(self.seed).permutation(count)]

    def is_full(self, examples: int) -> bool:
        return self.limit is not None and examples >= self.limit


@dataclass(frozen=True)
class Request:
    """How to measure: the same for all tasks, though none heeds everything."""

    sampling: Sampling = field(default_factory=Sampling)
    writing: Writing | None = None
    """None where the task writes nothing."""
    style: str | None = None
    """Of a summary."""
    baselines: bool = False
    known: Sequence[Any] | None = None
    """Records that baselines may learn from; None for the other examples of the file."""
    watch: Watch = lambda *_: None


@dataclass
class Measured:
    """The figures of a model, by the names of `measure.metrics`, and what stands beside them."""

    figures: dict[str, float]
    facts: dict[str, Any]
    """How many examples there were, and what was cut, left out or counted on the way."""
    outputs: list[dict[str, Any]]
    """One a measured example, in the order of the file."""
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A checkpoint that is measured."""

    name: str
    backend: Backend
    tokenizer: PreTrainedTokenizer

    @classmethod
    def open(cls, name: str | Path, backend: str = "auto") -> Model:
        """Raises: HubError or CheckpointError if it cannot be loaded."""
        return cls(str(name), open_backend(name, backend), AutoTokenizer.from_pretrained(name))

    @property
    def positions(self) -> int:
        return self.backend.config.max_position_embeddings

    def ids(self, text: str) -> list[int]:
        """As the model reads it, special tokens included."""
        ids: list[int] = self.tokenizer(text, verbose=False)["input_ids"]
        return ids

    def target(self, text: str) -> list[int]:
        """As the model should write it: up to an eos, which some tokenizers leave to others."""
        ids, ends = self.ids(text), listed(self.backend.config.eos_token_id)
        return ids if not ends or ids[-1:] == [ends[0]] else [*ids, ends[0]]

    def text(self, ids: Sequence[int]) -> str:
        """What was written, without special tokens."""
        return text_of(self.tokenizer, ids)

    def likelihoods(self, sources: Texts, targets: Sequence[Texts], watch: Watch) -> list[list[list[float]]]:
        """The log-probabilities of every target of each source, token by token."""
        found: dict[int, list[list[float]]] = {}
        for members in self._blocks(sources, targets):
            pairs = [(sources[place], target) for place in members for target in targets[place]]
            scores = iter(self.backend.score([source for source, _ in pairs], [target for _, target in pairs]))
            found |= {place: [next(scores) for _ in targets[place]] for place in members}
            watch("scoring", len(found), len(sources))
        return [found[place] for place in range(len(sources))]

    def _blocks(self, sources: Texts, targets: Sequence[Texts]) -> Iterator[list[int]]:
        """Places of sources of like length, few enough that what their targets need fits `LOGITS`."""
        most = max(LOGITS // self.backend.config.vocab_size, 1)
        block: list[int] = []
        longest = count = 0
        for place in sorted(range(len(sources)), key=lambda place: len(sources[place])):
            widest = max(map(len, targets[place]))
            longer, more = max(longest, widest), count + len(targets[place])
            if block and longer * more > most:
                yield block
                block, longer, more = [], widest, len(targets[place])
            block.append(place)
            longest, count = longer, more
        if block:
            yield block


def refuse_nothing(found: int, what: str, left_out: str = "") -> None:
    """Raises: DataError if there is nothing to measure on."""
    if not found:
        raise DataError(f"There is no {what} to measure on{left_out and f': {left_out}'}. Check the file.")
