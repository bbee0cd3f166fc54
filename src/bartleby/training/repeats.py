"""Examples that are seen several times an epoch, because there are few of their kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.training.collation import Batches, Collate
from bartleby.training.store import Ids


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
