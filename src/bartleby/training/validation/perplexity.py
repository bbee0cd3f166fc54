"""How well a model that writes foresees the texts it was not taught: what most kinds of training are measured by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bartleby.backends.pytorch.model import Model
from bartleby.measure.perplexity import perplexity
from bartleby.training.collation import Collation, Padding, PairCollation, measured_batches
from bartleby.training.modes import at_rest
from bartleby.training.objectives.likelihood import target_log_probs
from bartleby.training.store import Examples

BATCH_TOKENS = 5000


@dataclass(frozen=True)
class PerplexityOf:
    """Measures `model` on the labels of what `collation` makes of its examples, which must be the same each time."""

    model: Model
    collation: Collation
    batch_tokens: int = BATCH_TOKENS

    def __call__(self, count: int | None = None) -> dict[str, float]:
        """On the first `count` examples, or on all: the figure a token, and how many examples and tokens it is over."""
        first: Any = self.collation  # a dataclass
        collation: Collation = replace(first, examples=self.collation.examples.first(count))
        batches = measured_batches(collation, self.batch_tokens)
        with at_rest(self.model):
            figure = perplexity(target_log_probs(self.model, batch) for batch in batches.once())
        return {"perplexity": figure.value, "examples": len(batches), "tokens": figure.tokens}


def pair_perplexity(model: Model, pairs: Examples) -> PerplexityOf:
    """Of the targets of `pairs`, from the columns `source` and `target`, their `</s>` included."""
    return PerplexityOf(model, PairCollation(pairs, Padding.of(model.config)))
