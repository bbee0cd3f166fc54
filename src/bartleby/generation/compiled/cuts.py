"""Cuts over arrays of fixed shape. Definition: generation/cuts.py, cut by cut.

What stays are always the best by some order, so none of them scatters its answer back: the last that stays says it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bartleby.generation import cuts as definition
from bartleby.generation.compiled.arrays import Array, Arrays
from bartleby.generation.compiled.task import IMPOSSIBLE

Cut = Callable[[Array], Array]
"""Shapes: scores (r, v) -> (r, v)."""


def temperature(xp: Arrays, rule: definition.Temperature) -> Cut:
    return lambda scores: scores / float(np.float32(rule.temperature))


def top_h(xp: Arrays, rule: definition.TopH) -> Cut:
    def cut(scores: Array) -> Array:
        best, places = xp.top_k(scores, min(definition.TOP_H_CANDIDATES, scores.shape[1]))
        spent = xp.cumsum(surprise(xp, log_softmax(xp, best)), axis=1)
        stays = xp.sum(xp.cast(spent <= spent[:, -1:] * rule.share, "int32"), axis=1, keepdims=True)
        last = xp.maximum(stays - 1, 0)
        return kept(xp, scores, up_to(xp, scores, xp.take(best, last), xp.take(places, last)))

    return cut


def top_k(xp: Arrays, rule: definition.TopK) -> Cut:
    return lambda scores: kept(xp, scores, scores >= nth_best(xp, scores, max(rule.count, rule.at_least)))


def top_p(xp: Arrays, rule: definition.TopP) -> Cut:
    def cut(scores: Array) -> Array:
        worst_first = xp.argsort(scores)
        ordered = xp.take(scores, worst_first)
        stays = xp.cumsum(xp.exp(log_softmax(xp, ordered)), axis=1) > 1 - rule.share
        first = xp.argmax(stays, axis=1)[:, None]
        # Where rounding kept the sum from ever getting there, nothing stays but these.
        width = scores.shape[1]
        latest = max(width - rule.at_least, 0)
        first = xp.minimum(xp.where(xp.any(stays, axis=1, keepdims=True), first, latest), latest)
        worst, place = xp.take(ordered, first), xp.take(worst_first, first)
        return kept(xp, scores, (scores > worst) | ((scores == worst) & (xp.arange(width) >= place)))

    return cut


def min_p(xp: Arrays, rule: definition.MinP) -> Cut:
    def cut(scores: Array) -> Array:
        probabilities = xp.exp(log_softmax(xp, scores))
        likely = probabilities >= rule.share * xp.max(probabilities, axis=1, keepdims=True)
        return kept(xp, scores, likely | among_best(xp, scores, rule.at_least))

    return cut


def typical_p(xp: Arrays, rule: definition.TypicalP) -> Cut:
    def cut(scores: Array) -> Array:
        log_probabilities = log_softmax(xp, scores)
        strangeness = xp.abs(-log_probabilities - entropy(xp, log_probabilities))
        typical_first = xp.argsort(strangeness)
        ordered = xp.take(strangeness, typical_first)
        reached = xp.cumsum(xp.exp(xp.take(log_probabilities, typical_first)), axis=1)
        last = xp.sum(xp.cast(reached < rule.share, "int32"), axis=1, keepdims=True)
        typical = strangeness <= xp.take(ordered, xp.minimum(last, scores.shape[1] - 1))
        return kept(xp, scores, typical | among_best(xp, -strangeness, rule.at_least))

    return cut


def epsilon_cutoff(xp: Arrays, rule: definition.EpsilonCutoff) -> Cut:
    def cut(scores: Array) -> Array:
        likely = xp.exp(log_softmax(xp, scores)) >= float(np.float32(rule.epsilon))
        return kept(xp, scores, likely | (scores >= nth_best(xp, scores, rule.at_least)))

    return cut


def eta_cutoff(xp: Arrays, rule: definition.EtaCutoff) -> Cut:
    epsilon = float(np.float32(rule.epsilon))

    def cut(scores: Array) -> Array:
        log_probabilities = log_softmax(xp, scores)
        bound = xp.minimum(epsilon**0.5 * xp.exp(-entropy(xp, log_probabilities)), epsilon)
        likely = xp.exp(log_probabilities) >= bound
        return kept(xp, scores, likely | (scores >= nth_best(xp, scores, rule.at_least)))

    return cut


def normalize(xp: Arrays, rule: definition.Normalize) -> Cut:
    return lambda scores: log_softmax(xp, scores)


def kept(xp: Arrays, scores: Array, is_kept: Array) -> Array:
    """As `scores.kept` of the definition."""
    return xp.where(is_kept, scores, IMPOSSIBLE)


def nth_best(xp: Arrays, scores: Array, count: int) -> Array:
    """As `cuts.nth_best` of the definition; (r, v) -> (r, 1)."""
    best, _ = xp.top_k(scores, min(count, scores.shape[1]))
    return best[:, -1:]


def among_best(xp: Arrays, scores: Array, count: int) -> Array:
    """Which are the `count` best, of equals the first; (r, v)."""
    best, places = xp.top_k(scores, min(count, scores.shape[1]))
    return up_to(xp, scores, best[:, -1:], places[:, -1:])


def up_to(xp: Arrays, scores: Array, worst: Array, place: Array) -> Array:
    """Which are at least as good as the score `worst` at `place`, of equals those before it. Shapes: (r, v), (r, 1)."""
    return (scores > worst) | ((scores == worst) & (xp.arange(scores.shape[1]) <= place))


def log_softmax(xp: Arrays, scores: Array) -> Array:
    """As `scores.log_softmax` of the definition: rows with nothing possible stay impossible."""
    best = xp.max(scores, axis=-1, keepdims=True)
    is_possible = xp.isfinite(best)
    shifted = scores - xp.where(is_possible, best, 0.0)
    total = xp.sum(xp.exp(shifted), axis=-1, keepdims=True)
    return shifted - xp.log(xp.where(is_possible, total, 1.0))


def entropy(xp: Arrays, log_probabilities: Array) -> Array:
    """As `scores.entropy` of the definition; (r, v) -> (r, 1)."""
    return xp.sum(surprise(xp, log_probabilities), axis=-1, keepdims=True)


def surprise(xp: Arrays, log_probabilities: Array) -> Array:
    """As `scores.surprise` of the definition."""
    return -xp.exp(log_probabilities) * xp.where(log_probabilities == IMPOSSIBLE, 0.0, log_probabilities)


TRANSLATIONS: dict[type, Callable[[Arrays, Any], Cut]] = {
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
