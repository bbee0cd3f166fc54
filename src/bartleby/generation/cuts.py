"""Cuts: what sampling draws from. Rules that leave only tokens worth drawing, in plain NumPy, the definition of each.

They run after all other rules, and after a caller's own processors. `at_least` so many tokens stay in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bartleby.generation.options import Options, listed
from bartleby.generation.scores import Ids, Scores, entropy, kept, log_softmax, surprise

TOP_H_CANDIDATES = 100
"""As published: how many tokens are looked at; the rest is not worth its entropy."""


@dataclass(frozen=True)
class Temperature:
    """Above 1 flattens the choice, below 1 sharpens it."""

    setting: ClassVar[str] = "temperature"
    temperature: float

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        with np.errstate(over="ignore"):  # what is all but impossible may become so
            return scores / np.float32(self.temperature)


@dataclass(frozen=True)
class TopH:
    """Only the best tokens that together have no more than `share` of the entropy of all; the best one in any case.

    Source: Potraghloo et al. 2025 (arXiv 2509.02510); only in 5.x.
    """

    setting: ClassVar[str] = "top_h"
    share: float

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        best_first = np.argsort(-scores, axis=1, kind="stable")[:, :TOP_H_CANDIDATES]
        spent = surprise(log_softmax(np.take_along_axis(scores, best_first, axis=1))).cumsum(axis=1)
        stays = spent <= spent[:, -1:] * np.float32(self.share)
        stays[:, 0] = True
        is_kept = np.zeros(scores.shape, dtype=bool)
        np.put_along_axis(is_kept, best_first, stays, axis=1)
        return kept(scores, is_kept)


@dataclass(frozen=True)
class TopK:
    """Only the `count` best tokens; those that tie with the last of them stay too.

    Source: Fan et al. 2018 (arXiv 1805.04833), section 5.4.
    """

    setting: ClassVar[str] = "top_k"
    count: int
    at_least: int = 1

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return kept(scores, scores >= nth_best(scores, max(self.count, self.at_least)))


@dataclass(frozen=True)
class TopP:
    """Only the best tokens that together have the probability `share`; the one that crosses it stays.

    Source: Holtzman et al. 2019 (arXiv 1904.09751), section 3.1.
    """

    setting: ClassVar[str] = "top_p"
    share: float
    at_least: int = 1

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        worst_first = np.argsort(scores, axis=1, kind="stable")
        probabilities = np.exp(log_softmax(np.take_along_axis(scores, worst_first, axis=1)))
        stays = probabilities.cumsum(axis=1) > 1 - self.share
        stays[:, -self.at_least :] = True
        is_kept = np.empty(scores.shape, dtype=bool)
        np.put_along_axis(is_kept, worst_first, stays, axis=1)
        return kept(scores, is_kept)


@dataclass(frozen=True)
class MinP:
    """Only tokens at least `share` as likely as the likeliest.

    Source: Nguyen et al. 2024 (arXiv 2407.01082), section 3; only in 5.x.
    """

    setting: ClassVar[str] = "min_p"
    share: float
    at_least: int = 1

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        probabilities = np.exp(log_softmax(scores))
        likely = probabilities >= np.float32(self.share) * probabilities.max(axis=1, keepdims=True)
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self.at_least]
        np.put_along_axis(likely, best, True, axis=1)
        return kept(scores, likely)


@dataclass(frozen=True)
class TypicalP:
    """Only the tokens that surprise about as much as was to be expected, until they have the probability `share`.

    Source: Meister et al. 2022 (arXiv 2202.00666), section 3.
    """

    setting: ClassVar[str] = "typical_p"
    share: float
    at_least: int = 1

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        log_probabilities = log_softmax(scores)
        strangeness = np.abs(-log_probabilities - entropy(log_probabilities))
        typical_first = np.argsort(strangeness, axis=1, kind="stable")
        ordered = np.take_along_axis(strangeness, typical_first, axis=1)
        probabilities = np.exp(np.take_along_axis(log_probabilities, typical_first, axis=1))
        last = (probabilities.cumsum(axis=1) < self.share).sum(axis=1, keepdims=True)
        stays = ordered <= np.take_along_axis(ordered, last.clip(max=scores.shape[1] - 1), axis=1)
        stays[:, : self.at_least] = True
        is_kept = np.empty(scores.shape, dtype=bool)
        np.put_along_axis(is_kept, typical_first, stays, axis=1)
        return kept(scores, is_kept)


@dataclass(frozen=True)
class EpsilonCutoff:
    """Only tokens of at least the probability `epsilon`.

    Source: Hewitt et al. 2022 (arXiv 2210.15191), section 3.
    """

    setting: ClassVar[str] = "epsilon_cutoff"
    epsilon: float
    at_least: int = 1

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        likely = np.exp(log_softmax(scores)) >= np.float32(self.epsilon)
        return kept(scores, likely | (scores >= nth_best(scores, self.at_least)))


@dataclass(frozen=True)
class EtaCutoff:
    """As EpsilonCutoff, but the bound is lower where the model is undecided.

    Source: Hewitt et al. 2022 (arXiv 2210.15191), section 3.
    """

    setting: ClassVar[str] = "eta_cutoff"
    epsilon: float
    at_least: int = 1

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        log_probabilities, epsilon = log_softmax(scores), np.float32(self.epsilon)
        bound = np.minimum(epsilon, np.sqrt(epsilon) * np.exp(-entropy(log_probabilities)))
        likely = np.exp(log_probabilities) >= bound
        return kept(scores, likely | (scores >= nth_best(scores, self.at_least)))


@dataclass(frozen=True)
class Normalize:
    """Scores become log-probabilities again after everything that was done to them."""

    setting: ClassVar[str] = "renormalize_logits"

    def __call__(self, ids: Ids, scores: Scores) -> Scores:
        return log_softmax(scores)


def nth_best(scores: Scores, count: int) -> Scores:
    """The score of the `count`-th best token, or of the worst where there are fewer: (n, v) -> (n, 1)."""
    count = min(count, scores.shape[1])
    nth: Scores = np.partition(scores, -count, axis=1)[:, -count, None]
    return nth


Cut = Temperature | TopH | TopK | TopP | MinP | TypicalP | EpsilonCutoff | EtaCutoff | Normalize
CUTS: tuple[type, ...] = (Temperature, TopH, TopK, TopP, MinP, TypicalP, EpsilonCutoff, EtaCutoff, Normalize)
"""In their order."""


def cuts_for(options: Options) -> Iterator[Cut]:
    """The cuts that `options` ask for."""
    if options.do_sample:
        # With beams every end token may be cut away and something must still go on.
        at_least = 1 if options.num_beams == 1 else max(len(listed(options.eos_token_id)), 1) + 1
        yield from _cuts_of_sampling(options, at_least)
    if options.renormalize_logits:
        yield Normalize()


def _cuts_of_sampling(options: Options, at_least: int) -> Iterator[Cut]:
    if options.temperature != 1:
        yield Temperature(options.temperature)
    if options.top_h is not None:
        yield TopH(options.top_h)
    if options.top_k > 0:
        yield TopK(options.top_k, at_least)
    if options.top_p < 1:
        yield TopP(options.top_p, at_least)
    if options.min_p is not None:
        yield MinP(options.min_p, at_least)
    if options.typical_p < 1:
        yield TypicalP(options.typical_p, at_least)
    if options.epsilon_cutoff > 0:
        yield EpsilonCutoff(options.epsilon_cutoff, at_least)
    if options.eta_cutoff > 0:
        yield EtaCutoff(options.eta_cutoff, at_least)
