"""How well a model that writes foresees the texts it was not taught: what most kinds of training are measured by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.measure.perplexity import Perplexity, perplexity
from bartleby.training.collation import Batches, Collate, Padding, PairCollation
from bartleby.training.denoising import DenoisingCollation
from bartleby.training.objectives.likelihood import target_log_probs
from bartleby.training.store import Examples, Ids

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


@dataclass(frozen=True)
class DenoisingPerplexityOf:
    """Measures `model` on texts that `collation`, which has a seed, spoils in the same way each time."""

    model: ConditionalGeneration
    collation: DenoisingCollation

    def __call__(self, count: int | None = None) -> dict[str, float]:
        """On the first `count` texts: perplexity a token of the texts as they were."""
        collation = replace(self.collation, examples=self.collation.examples.first(count))
        figure = _perplexity(self.model, collation, collation.lengths(), BATCH_TOKENS)
        return {"perplexity": figure.value, "examples": len(collation.examples), "tokens": figure.tokens}


def model_perplexity(model: ConditionalGeneration, pairs: Examples, batch_tokens: int = BATCH_TOKENS) -> Perplexity:
    """Perplexity a token of the targets, `</s>` included; the model stays in the mode it was in."""
    collation = PairCollation(pairs, Padding.of(model.config))
    return _perplexity(model, collation, collation.lengths(), batch_tokens)


def _perplexity(model: ConditionalGeneration, collate: Collate, lengths: Ids, batch_tokens: int) -> Perplexity:
    longest = int(lengths.sum(axis=1).max(initial=1))
    batches = Batches(lengths, collate, max(batch_tokens, longest), seed=0)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return perplexity(target_log_probs(model, batch) for batch in batches.once())
    finally:
        model.train(training)
