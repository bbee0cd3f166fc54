"""Cuts as tensor operations over all rows at once. Definition: generation/cuts.py, cut by cut.

Each may change the scores it is given in place, and none waits for the device. `keep` is told what stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bartleby.generation import cuts as definition

Cut = Callable[[Tensor], Tensor]
"""Shapes: scores (r, v) -> (r, v)."""

IMPOSSIBLE = float("-inf")


def temperature(rule: definition.Temperature) -> Cut:
    return lambda scores: scores.div_(rule.temperature)


def top_h(rule: definition.TopH) -> Cut:
    def cut(scores: Tensor) -> Tensor:
        best, places = scores.topk(min(definition.TOP_H_CANDIDATES, scores.shape[1]))
        spent = surprise(log_softmax(best)).cumsum(dim=1)
        stays = spent <= spent[:, -1:] * rule.share
        stays[:, 0].fill_(True)
        return keep(scores, torch.zeros_like(scores, dtype=torch.bool).scatter(1, places, stays))

    return cut


def top_k(rule: definition.TopK) -> Cut:
    return lambda scores: keep(scores, scores >= nth_best(scores, max(rule.count, rule.at_least)))


def top_p(rule: definition.TopP) -> Cut:
    def cut(scores: Tensor) -> Tensor:
        ordered, worst_first = scores.sort(dim=1, stable=True)
        stays = log_softmax(ordered).exp().cumsum(dim=1) > 1 - rule.share
        stays[:, -rule.at_least :].fill_(True)
        return keep(scores, stays.scatter(1, worst_first, stays))

    return cut


def min_p(rule: definition.MinP) -> Cut:
    def cut(scores: Tensor) -> Tensor:
        probabilities = log_softmax(scores).exp()
        likely = probabilities >= rule.share * probabilities.amax(dim=1, keepdim=True)
        best = scores.topk(min(rule.at_least, scores.shape[1])).indices
        return keep(scores, likely.scatter(1, best, True))

    return cut


def typical_p(rule: definition.TypicalP) -> Cut:
    def cut(scores: Tensor) -> Tensor:
        log_probabilities = log_softmax(scores)
        strangeness = (-log_probabilities - entropy(log_probabilities)).abs()
        ordered, typical_first = strangeness.sort(dim=1, stable=True)
        probabilities = log_probabilities.exp().gather(1, typical_first)
        last = (probabilities.cumsum(dim=1) < rule.share).sum(dim=1, keepdim=True).clamp(max=scores.shape[1] - 1)
        stays = ordered <= ordered.gather(1, last)
        stays[:, : rule.at_least].fill_(True)
        return keep(scores, stays.scatter(1, typical_first, stays))

    return cut


def epsilon_cutoff(rule: definition.EpsilonCutoff) -> Cut:
    def cut(scores: Tensor) -> Tensor:
        likely = log_softmax(scores).exp() >= rule.epsilon
        return keep(scores, likely | (scores >= nth_best(scores, rule.at_least)))

    return cut


def eta_cutoff(rule: definition.EtaCutoff) -> Cut:
    def cut(scores: Tensor) -> Tensor:
        log_probabilities = log_softmax(scores)
        bound = (rule.epsilon**0.5 * (-entropy(log_probabilities)).exp()).clamp(max=rule.epsilon)
        return keep(scores, (log_probabilities.exp() >= bound) | (scores >= nth_best(scores, rule.at_least)))

    return cut


def normalize(rule: definition.Normalize) -> Cut:
    return log_softmax


def keep(scores: Tensor, is_kept: Tensor) -> Tensor:
    """As `scores.kept` of the definition."""
    return scores.masked_fill_(~is_kept, IMPOSSIBLE)


def nth_best(scores: Tensor, count: int) -> Tensor:
    """As `cuts.nth_best` of the definition; (r, v) -> (r, 1)."""
    return scores.topk(min(count, scores.shape[1])).values[:, -1:]


def log_softmax(scores: Tensor) -> Tensor:
    """As `scores.log_softmax` of the definition: torch's own makes not-a-number of rows with nothing possible."""
    impossible = scores.amax(dim=1, keepdim=True) == IMPOSSIBLE
    return scores.masked_fill(impossible, 0).log_softmax(dim=1).masked_fill(impossible, IMPOSSIBLE)


def entropy(log_probabilities: Tensor) -> Tensor:
    """As `scores.entropy` of the definition; (r, v) -> (r, 1)."""
    return surprise(log_probabilities).sum(dim=1, keepdim=True)


def surprise(log_probabilities: Tensor) -> Tensor:
    """As `scores.surprise` of the definition."""
    return -log_probabilities.exp() * log_probabilities.masked_fill(log_probabilities == IMPOSSIBLE, 0)


TRANSLATIONS: dict[type, Callable[[Any], Cut]] = {
    definition.Temperature: temperature,
    definition.TopH: top_h,
    definition.TopK: top_k,
    definition.TopP: top_p,
    definition.MinP: min_p,
    definition.TypicalP: typical_p,
    definition.EpsilonCutoff: epsilon_cutoff,
    definition.EtaCutoff: eta_cutoff,
    definition.Normalize: normalize,
}
