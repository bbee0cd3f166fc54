"""How well a decoder alone foresees texts that it was not taught."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from bartleby.backends.pytorch.causal import CausalLM
from bartleby.measure.perplexity import perplexity
from bartleby.training.collation import Batches
from bartleby.training.objectives.likelihood import target_log_probs
from bartleby.training.recipes.lm import BlockCollation


@dataclass(frozen=True)
class BlockFigures:
    """Measures `model` on the blocks of `collation`; a `Setup`'s `measure`."""

    model: CausalLM
    collation: BlockCollation
    batch_tokens: int

    def __call__(self, count: int | None = None) -> dict[str, float]:
        """On the first `count` blocks, or on all: perplexity a token, the ends of documents included."""
        collation = replace(self.collation, examples=self.collation.examples.first(count))
        lengths = collation.lengths()
        batches = Batches(lengths, collation, max(self.batch_tokens, int(lengths.max(initial=1))), seed=0)
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                figure = perplexity(target_log_probs(self.model, batch) for batch in batches.once())
        finally:
            self.model.train(training)
        return {"perplexity": figure.value, "examples": len(batches), "tokens": figure.tokens}
