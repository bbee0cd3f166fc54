"""Which examples go together in a step: numbered batches, of bounded size, alike in length, equal for equal seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.errors import DataError, OptionError
from bartleby.training.store import Ids

IGNORED_LABEL = -100
BAND = 3
"""Lengths that share a bucket: with 3, about 2 % of a batch of chat is padding."""
LONG = 48
"""From this length on, buckets widen with the length."""


@dataclass(frozen=True)
class Batch:
    """What one step sees: arrays by the names that the published `forward` takes, an example a row.

    `input_ids` and `attention_mask` (b, s), `decoder_input_ids` and `labels` (b, t), `start_positions` (b,) …;
    a label of -100 does not count. A recipe may add arrays of its own.
    """

    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def examples(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def tokens(self) -> int:
        """Tokens of sources and targets, padding left out."""
        labels = self.arrays.get("labels")
        if labels is None or labels.ndim != 2 or labels.dtype.kind != "i":  # numbers and classes are no tokens
            counted = 0
        else:
            counted = int((labels != IGNORED_LABEL).sum())
        return counted + (int(self.arrays["attention_mask"].sum()) if "attention_mask" in self.arrays else 0)

    def part(self, index: int, parts: int) -> Batch:
        """One of `parts` shares: every so many rows, as wide as they are here; perhaps no row at all."""
        if parts == 1:
            return self
        return Batch({name: array[index::parts] for name, array in self.arrays.items()})


Collate = Callable[[Ids, np.random.Generator], Batch]
"""Makes the batch of the examples with these numbers; what it draws, it draws from the generator."""


class Batches:
    """The batches of epoch after epoch, numbered from 0; number n is the same whenever it is asked for.

    A batch holds at most `tokens` places, padding included, in rows alike in length: first in the last of the
    lengths, then in the others. Every epoch draws other neighbours, another order and other noise.
    Shapes: lengths (n, k), the k lengths of every example that padding fills up side by side.
    """

    def __init__(self, lengths: npt.NDArray[np.integer[Any]], collate: Collate, tokens: int, seed: int) -> None:
        if not len(lengths):
            raise DataError("There is no example to learn from. Check the corpora and the length limits.")
        longest = int(lengths.sum(axis=1).max())
        if tokens < longest:
            raise OptionError(f"`batch_tokens` must be at least {longest}, the longest example, but is {tokens}.")
        self.lengths, self.collate, self.tokens, self.seed = lengths, collate, tokens, seed

    def __len__(self) -> int:
        """Examples, not batches: how many batches they make differs a little from epoch to epoch."""
        return len(self.lengths)

    def from_number(self, start: int) -> Iterator[Batch]:
        """Batches without end, from number `start` on."""
        epoch = 0
        while True:
            plan = self.plan(epoch)
            yield from self._collated(plan, epoch, start)
            start = max(0, start - len(plan))
            epoch += 1

    def once(self) -> Iterator[Batch]:
        """Every example once."""
        yield from self._collated(self.plan(0), 0, 0)

    def plan(self, epoch: int) -> list[Ids]:
        """Which examples go together in this epoch, in the order they come."""
        generator = np.random.default_rng([self.seed, epoch])
        *others, last = self.lengths.T
        order = np.lexsort((generator.random(len(last)), *others, buckets(last)))
        batches = list(_cut(order, self.lengths, self.tokens))
        return [batches[index] for index in generator.permutation(len(batches))]

    def _collated(self, plan: list[Ids], epoch: int, start: int) -> Iterator[Batch]:
        for place, rows in enumerate(islice(plan, start, None), start):
            yield self.collate(rows, np.random.default_rng([self.seed, epoch, place]))


class RepeatedBatches(Batches):
    """Batches of epochs in which example i comes `repeats[i]` times, spread evenly and never twice in a batch.

    An epoch has as many rounds as the most repeated example comes in; each round is planned by itself, since examples
    alike in length go together, and an example is like nothing so much as itself.
    Shapes: repeats (n,), at least 1.
    """

    def __init__(
        self, lengths: npt.NDArray[np.integer[Any]], repeats: Ids, collate: Collate, tokens: int, seed: int
    ) -> None:
        super().__init__(lengths, collate, tokens, seed)
        self.repeats = repeats

    def plan(self, epoch: int) -> list[Ids]:
        rounds = int(self.repeats.max())
        if rounds == 1:
            return super().plan(epoch)
        generator = np.random.default_rng([self.seed, epoch])
        first = generator.integers(rounds, size=len(self.repeats))
        plans: list[Ids] = []
        for number in range(rounds):
            # As n · repeats / rounds grows with n, it passes a whole number `repeats` times in all the rounds.
            rows = np.flatnonzero((number + first) * self.repeats % rounds < self.repeats)
            if rows.size:
                batches = Batches(self.lengths[rows], self.collate, self.tokens, self.seed)
                plans += [rows[batch] for batch in batches.plan(epoch * rounds + number)]
        return [plans[place] for place in generator.permutation(len(plans))]


def buckets(lengths: npt.NDArray[np.integer[Any]]) -> Ids:
    """The bucket of each length: of equal width up to LONG, then ever wider, for long texts are few."""
    steady = np.ceil(lengths / BAND)
    widening = np.ceil(LONG / BAND * (1 + np.log(np.maximum(lengths, 1) / LONG)))  # as steep, where the two meet
    return np.where(lengths <= LONG, steady, widening).astype(np.int64)


def _cut(order: Ids, lengths: npt.NDArray[np.integer[Any]], tokens: int) -> Iterator[Ids]:
    """Split `order` wherever one more row, padded with the others, would make more than `tokens` places."""
    start, widest = 0, [0] * lengths.shape[1]
    for end, own in enumerate(lengths[order].tolist()):
        wider = list(map(max, widest, own))
        if sum(wider) * (end - start + 1) > tokens:
            yield order[start:end]
            start, wider = end, own
        widest = wider
    yield order[start:]
