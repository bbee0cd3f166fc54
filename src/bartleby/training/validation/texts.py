"""How good what a model writes is: perplexity of the targets, and ROUGE or BLEU of its own words beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bartleby.backends.pytorch.backend import PyTorchBackend
from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.measure.overlap import bleu
from bartleby.measure.rouge import rouge
from bartleby.tasks.batches import Writing, best_answers
from bartleby.tasks.texts import text_of
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.training.modes import at_rest
from bartleby.training.store import Examples
from bartleby.training.validation.perplexity import pair_perplexity

SEED = 0
"""Of a model that samples: a run that is measured more often must not learn something else."""


@dataclass(frozen=True)
class WritingFigures:
    """Measures `model` on the columns `source` and `target` of `examples`."""

    model: ConditionalGeneration
    tokenizer: PreTrainedTokenizer
    examples: Examples
    written: int
    """For so many examples at most it writes; 0 for none, since writing takes long."""
    by: Literal["rouge", "bleu"]

    def __call__(self, count: int | None = None) -> dict[str, float]:
        """On the first `count` examples, or on all; decoded as the checkpoint says."""
        figures = pair_perplexity(self.model, self.examples)(count)
        chosen = self.examples.first(count).first(self.written)
        if not len(chosen):
            return figures
        texts = self.write(chosen.rows("source"))
        references = [text_of(self.tokenizer, ids) for ids in chosen.rows("target")]
        own = (
            rouge(texts, references)
            if self.by == "rouge"
            else {"bleu": bleu(texts, [[one] for one in references]).value}
        )
        return {**figures, **own, "written": len(chosen)}

    def write(self, sources: Sequence[Sequence[int]]) -> list[str]:
        """What the model makes of sources; it stays in the mode it was in."""
        with at_rest(self.model):
            backend = PyTorchBackend(self.model)
            answers = best_answers(backend, sources, Writing(self.model.generation_config, SEED))
        return [text_of(self.tokenizer, answer.ids) for answer in answers]
