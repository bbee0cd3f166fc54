"""What a model that writes shall say less: repeats, words it overuses, and targets that are marked as wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bartleby.training.options import POSITIVE, Options, option
from bartleby.training.store import Examples

if TYPE_CHECKING:
    from bartleby.training.objectives import Objective

HEEDED = {
    "alpha": ("tokens", "vocabulary", "rewards"),
    "sequence_share": ("sequences",),
    "context_share": ("sequences",),
    "repeated_ngram": ("sequences",),
    "overuse": ("vocabulary",),
    "overuse_threshold": ("vocabulary",),
}
"""Which unlikelihoods heed an option."""
WEIGHTINGS = ("uniform", "logdiff", "kldiv")
SMOOTHED = ("none", "tokens", "rewards")
"""What label smoothing goes with."""


@dataclass(frozen=True)
class UnlikelihoodOptions(Options):
    """Which unlikelihood is taught beside the likelihood, and how much of it."""

    unlikelihood: str = option(
        "none",
        "Of tokens the target had before, repeats in what the model writes, words it overuses, or unrewarded replies.",
        choices=("none", "tokens", "sequences", "vocabulary", "rewards"),
    )
    alpha: float = option(1.0, "Its weight beside the likelihood; not for sequences.", metavar="X", least=POSITIVE)
    sequence_share: float = option(
        0.5, "Share of the steps that teach against repeats; the others teach the likelihood.", least=0, most=1
    )
    context_share: float = option(
        0.5, "Of those, weight of what is copied from the source; the rest is of repeats.", least=0, most=1
    )
    repeated_ngram: int = option(4, "Tokens in a row that make a repeat.", metavar="N", least=1)
    overuse: str = option("uniform", "How much an overused word counts.", choices=WEIGHTINGS)
    overuse_threshold: float = option(
        1e-3, "Share of all words by which it must be overused.", metavar="X", least=POSITIVE
    )
    label_smoothing: float = option(
        0.0, "Share of each target spread over the vocabulary.", metavar="X", least=0, most=0.99
    )

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        if self.label_smoothing and self.unlikelihood not in SMOOTHED:
            told = f"where `unlikelihood` is {self.unlikelihood}, but is {self.label_smoothing}."
            yield f"`label_smoothing` must be 0 {told}"
        for name, heeding in HEEDED.items():
            if self.unlikelihood not in heeding:
                remedy = f"Choose {' or '.join(heeding)}, or leave it out."
                yield from self.changed_in_vain([name], f"where `unlikelihood` is {self.unlikelihood}", remedy)


def unlikelihood_objective(
    model: Any, options: UnlikelihoodOptions, examples: Examples, target_tokens: int, seed: int
) -> Objective:
    """What `options` teach; `examples` are counted for the words people use.

    `target_tokens`: how much the model writes where it is taught by its own words.
    """
    from bartleby.training.objectives import unlikelihood as against
    from bartleby.training.objectives.likelihood import TargetLoss
    from bartleby.training.objectives.repeats import Overuse
    from bartleby.training.objectives.writing import Writer

    if options.unlikelihood == "tokens":
        return against.TokenUnlikelihood(model, options.alpha, options.label_smoothing)
    if options.unlikelihood == "rewards":
        return against.RewardUnlikelihood(model, options.alpha, options.label_smoothing)
    if options.unlikelihood == "sequences":
        share, ngram, copied = options.sequence_share, options.repeated_ngram, options.context_share
        return against.SequenceUnlikelihood(model, Writer(model, target_tokens), share, ngram, copied, seed)
    if options.unlikelihood == "vocabulary":
        weighting: Any = options.overuse
        overuse = Overuse(weighting, options.overuse_threshold)
        human = examples.counts("target", model.config.vocab_size).astype(np.int64)
        return against.VocabularyUnlikelihood(model, Writer(model, target_tokens), human, overuse, options.alpha)
    return TargetLoss(model, options.label_smoothing)
