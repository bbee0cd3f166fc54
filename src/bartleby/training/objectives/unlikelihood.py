"""Unlikelihood: what a model shall not say is taught by log(1 - p) of it, beside the likelihood or instead of it.

In all formulas p(c | x, y<t) is the model's probability of token c at place t of y, after source x; p(c) for short.
Sources: Welleck et al. 2019 (arXiv 1908.04319); Li et al. 2020, "Don't Say That!" (arXiv 1911.03860); Roller et al.
2020 (arXiv 2004.13637).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.errors import DataError
from bartleby.training.batches import IGNORED_LABEL, Batch
from bartleby.training.objectives import Objective
from bartleby.training.objectives.likelihood import labelled_logits, labels_in
from bartleby.training.objectives.repeats import (
    Overuse,
    earlier_tokens,
    repeated_places,
    shared_places,
)
from bartleby.training.objectives.writing import StepCounter, Writer, sources

Numbers = npt.NDArray[np.float64]

SUREST = -1e-6
"""Log-probabilities above it count as it: log(1 - p) has no value at p = 1, and no bound near it."""


class TokenUnlikelihood(Objective):
    """Likelihood, and unlikelihood of the tokens that the target had before.

    L = mean over t of [ -log p(y_t) - alpha · sum over c in C_t of log(1 - p(c)) ],  C_t = {y_1 … y_t-1} without y_t
    Source: Welleck et al. 2019, section 5.1.
    """

    def __init__(self, model: Any, alpha: float = 1.0, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.model, self.alpha, self.label_smoothing = model, alpha, label_smoothing

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        logits, labels = labelled_logits(self.model, part)
        candidates, counted = (torch.from_numpy(each).to(logits.device) for each in earlier_tokens(_labels(part)))
        log_probs = logits.float().log_softmax(dim=-1).gather(1, candidates)  # (labels, t)
        unlikely = (unlikelihood(log_probs) * counted).sum()
        count = max(1, labels_in(whole))
        return {
            "likelihood": _negative_likelihood(logits, labels, self.label_smoothing).sum() / count,
            "unlikelihood": self.alpha * unlikely / count,
        }


class RewardUnlikelihood(Objective):
    """Likelihood of the targets that are rewarded, unlikelihood of those that are not, by the array `rewards` (b,).

    L = mean of -log p(y_t) over targets with a reward of 0 or more - alpha · mean of log(1 - p(y_t)) over the others
    Source: Li et al. 2020, section 3.4: what contradicts itself is marked in the data.
    """

    def __init__(self, model: Any, alpha: float = 1.0, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.model, self.alpha, self.label_smoothing = model, alpha, label_smoothing

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        logits, labels = labelled_logits(self.model, part)
        among_all = _unrewarded(whole)
        punished = torch.from_numpy(_unrewarded(part)).to(logits.device)
        likely = _negative_likelihood(logits, labels, self.label_smoothing) * ~punished
        unlikely = unlikelihood(_log_probs(logits, labels)) * punished
        return {
            "likelihood": likely.sum() / max(1, int((~among_all).sum())),
            "unlikelihood": self.alpha * unlikely.sum() / max(1, int(among_all.sum())),
        }


class SequenceUnlikelihood(Objective):
    """In a share of the steps, unlikelihood of repeats in what the model writes itself; in the others, likelihood.

    L = -sum of w_t · log(1 - p(y_t)) / sum of w_t, over all answers y of a batch, with
    w_t = (1 - context_share) · [y_t in an n-gram that y had before] + context_share · [y_t in an n-gram of x]
    Sources: Welleck et al. 2019, section 5.2; Li et al. 2020, section 3.1.
    """

    generates = True

    def __init__(
        self, model: Any, writer: Writer, share: float = 0.5, ngram: int = 4, context_share: float = 0.5, seed: int = 0
    ) -> None:
        super().__init__()
        self.model, self.writer, self.counter = model, writer, StepCounter()
        self.share, self.ngram, self.context_share, self.seed = share, ngram, context_share, seed

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        is_first = self.counter.begins(whole)
        if not self.teaches_repeats():
            logits, labels = labelled_logits(self.model, part)
            return {"likelihood": _negative_likelihood(logits, labels).sum() / max(1, labels_in(whole))}
        if is_first:
            self.writer.write(self.model, whole, part.examples)
        taught = _weighted(self.model, self.writer.taught(part), self._weights(part))
        return {"unlikelihood": taught / (float(self._weights(whole).sum()) or 1.0)}

    def teaches_repeats(self) -> bool:
        """Drawn from the seed and the step's number, so that all parts of a batch and all processes agree."""
        return float(np.random.default_rng([self.seed, int(self.counter.steps)]).random()) < self.share

    def _weights(self, batch: Batch) -> Numbers:
        """Of each token of each answer, one behind the other."""
        weights = [np.zeros(0)]
        for source, answer in zip(sources(batch), self.writer.answers(batch), strict=True):
            own, copied = repeated_places(answer, self.ngram), shared_places(answer, source, self.ngram)
            weights.append((1 - self.context_share) * own + self.context_share * copied)
        return np.concatenate(weights)


class VocabularyUnlikelihood(Objective):
    """Likelihood, and unlikelihood of the words that the model writes more often than people do.

    L = mean of -log p(y_t) over the targets - alpha · sum of b(z_t) · log(1 - p(z_t)) / |{t: b(z_t) > 0}|, over all
    answers z of a batch that the model writes itself. b is `overuse` of what it has written so far, which is
    counted in the buffer `written` and thus kept in checkpoints; the first `patience` batches only count.
    Source: Li et al. 2020, section 3.2; ParlAI waits 32 batches.
    """

    generates = True
    written: Tensor
    human: Tensor

    def __init__(
        self,
        model: Any,
        writer: Writer,
        human: npt.NDArray[np.int64],
        overuse: Overuse,
        alpha: float = 1.0,
        patience: int = 32,
    ) -> None:
        """`human`: how often each token is in the targets that people wrote; (v,)."""
        super().__init__()
        self.model, self.writer, self.counter = model, writer, StepCounter()
        self.overuse, self.alpha, self.patience = overuse, alpha, patience
        if human.shape != (model.config.vocab_size,):
            raise DataError(f"There must be a count for each of {model.config.vocab_size} tokens, but {human.shape}.")
        self.register_buffer("human", torch.from_numpy(human), persistent=False)  # made anew from the targets
        self.register_buffer("written", torch.zeros_like(self.human))

    def forward(self, part: Batch, whole: Batch) -> dict[str, Tensor]:
        if self.counter.begins(whole):
            self.writer.write(self.model, whole, part.examples)
            if self.training:
                self.written += torch.from_numpy(token_counts(self.writer.answers(whole), len(self.human))).to(
                    self.written.device
                )
        logits, labels = labelled_logits(self.model, part)
        terms = {"likelihood": _negative_likelihood(logits, labels).sum() / max(1, labels_in(whole))}
        if int(self.counter.steps) > self.patience:
            excess = self.overuse(self.written.cpu().numpy(), self.human.cpu().numpy())
            taught = _weighted(self.model, self.writer.taught(part), excess[_joined(self.writer.answers(part))])
            count = int((excess[_joined(self.writer.answers(whole))] > 0).sum())
            terms["unlikelihood"] = self.alpha * taught / max(1, count)
        return terms


def unlikelihood(log_probs: Tensor) -> Tensor:
    """-log(1 - p) of log p, as exact where p is near 0 as where it is near 1."""
    log_probs = log_probs.clamp(max=SUREST)
    small = torch.log1p(-log_probs.exp())
    large = torch.log(-torch.expm1(log_probs))
    return -torch.where(log_probs < -0.7, small, large)


def token_counts(rows: list[npt.NDArray[np.int64]], vocab_size: int) -> npt.NDArray[np.int64]:
    """How often each token is in `rows`; (v,)."""
    return np.bincount(_joined(rows), minlength=vocab_size)


def _weighted(model: Any, batch: Batch, weights: Numbers) -> Tensor:
    """Unlikelihood of the labels of a batch, each times its weight, in sum."""
    logits, labels = labelled_logits(model, batch)
    unlikely = unlikelihood(_log_probs(logits, labels))
    return (unlikely * torch.from_numpy(weights).to(unlikely)).sum()


def _negative_likelihood(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """-log p of each label; (labels, v), (labels,) -> (labels,)."""
    return F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=label_smoothing)


def _log_probs(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.float().log_softmax(dim=-1).gather(1, labels[:, None])[:, 0]


def _joined(rows: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(0, dtype=np.int64), *rows])


def _labels(batch: Batch) -> npt.NDArray[np.int64]:
    return np.asarray(batch.arrays["labels"], dtype=np.int64)


def _unrewarded(batch: Batch) -> npt.NDArray[np.bool_]:
    """Of each label that counts, whether its target is to become less likely; (labels,)."""
    if "rewards" not in batch.arrays:
        raise DataError(
            "A batch must have `rewards`, a number for each target, but has none. Add them to the examples."
        )
    counts = (_labels(batch) != IGNORED_LABEL).sum(axis=1)
    return np.repeat(np.asarray(batch.arrays["rewards"]).reshape(-1) < 0, counts)
