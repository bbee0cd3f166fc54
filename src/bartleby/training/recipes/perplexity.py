"""How well a model that writes foresees the texts it was not taught: what most kinds of training are measured by."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.measure.perplexity import Perplexity, perplexity
from bartleby.training.collation import Batches, Padding, PairCollation
from bartleby.training.objectives.likelihood import target_log_probs
from bartleby.training.store import Examples

BATCH_TOKENS = 5000


@dataclass(frozen=True)
class PerplexityOf:
    """Measures `model` on the columns `source` and `target` of `examples`; a `Setup`'s `measure`."""

    model: ConditionalGeneration
    examples: Examples

    def __call__(self, count: int | None = None) -> dict[str, float]:
        """On the first `count` examples: the figure, and how many examples and tokens it is over."""
        examples = self.examples.first(count)
        figure = model_perplexity(self.model, examples)
        return {"perplexity": figure.value, "examples": len(examples), "tokens": figure.tokens}


def model_perplexity(model: ConditionalGeneration, pairs: Examples, batch_tokens: int = BATCH_TOKENS) -> Perplexity:
    """Perplexity a token of the targets, `</s>` included; the model stays in the mode it was in."""
    collation = PairCollation(pairs, Padding.of(model.config))
    longest = int(collation.lengths().sum(axis=1).max(initial=1))
    batches = Batches(collation.lengths(), collation, max(batch_tokens, longest), seed=0)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return perplexity(target_log_probs(model, batch) for batch in batches.once())
    finally:
        model.train(training)
