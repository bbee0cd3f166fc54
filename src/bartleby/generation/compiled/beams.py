"""Beam search over arrays of fixed shape, all sources at once. Definition: generation/beams.py."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bartleby.generation.compiled.arrays import Array, Arrays, Length
from bartleby.generation.compiled.rows import log_softmax_at
from bartleby.generation.compiled.task import (
    BLOCKED,
    EOS,
    GOING_ON,
    IMPOSSIBLE,
    LENGTH,
    Task,
    Written,
)
from bartleby.generation.resolution import eos_ids

CHUNK = 64


class Beams(NamedTuple):
    """The beams of all sources, n each, best first. One that is not there has the score -inf."""

    ids: Array
    """(b, n, w)."""
    trail: Array
    scores: Array
    """(b, n)."""
    finished: Written
    """The best n so far, best first."""
    done: Array
    """Which sources are settled, (b,): what they have finished stays as it is."""
    length: Length
    """Prompt included."""


class Candidates(NamedTuple):
    """Ways to go on by one token, (b, c): the best, best first, or those drawn, as drawn. Of score -inf it is none."""

    scores: Array
    beams: Array
    tokens: Array


class BeamSearch:
    """Beam search: each source keeps its n best unfinished outputs, until none can beat those it has finished."""

    def __init__(self, xp: Arrays, task: Task) -> None:
        self.xp, self.task, self.n = xp, task, task.options.num_beams
        self.divisors = length_divisors(task.max_length - task.first, task.options.length_penalty)

    def start(self) -> Beams:
        """The beams before the first step: one of each source, for several alike would find the same candidates."""
        xp = self.xp
        finished = Written.nothing(xp, self.task, self.n, IMPOSSIBLE)
        scores = xp.set_column(finished.scores, 0, xp.full((xp.shape(finished.scores)[0],), 0.0, "float32"))
        done = xp.full((xp.shape(scores)[0],), False, "bool")
        return Beams(finished.ids, finished.trail, scores, finished, done, self.task.first)

    def advance(self, state: Beams, logits: Array) -> tuple[Beams, Array, Array]:
        """Write the next token. Shapes: logits (r, v).

        Returns the new state, the rows of `logits` that go on (b, n), and the scores after the rules (r, v).
        """
        xp = self.xp
        before = 1 if isinstance(state.length, int) else self.n
        found, ruled = self._candidates(state, logits, before)
        possible = found.scores > IMPOSSIBLE
        reasons = self._ends(state, found)
        finished = self._finish(state, found, possible, reasons, before)
        goes_on = possible & (reasons == GOING_ON)
        scores, first = xp.top_k(xp.where(goes_on, found.scores, IMPOSSIBLE), self.n)
        parents = xp.take(xp.where(goes_on, found.beams, 0), first)
        ids, trail = self._extended(state, parents, xp.take(found.tokens, first), before)
        new = Beams(ids, trail, scores, finished, state.done, state.length + 1)
        rows = xp.arange(xp.shape(parents)[0])[:, None] * before + parents
        return new._replace(done=state.done | self._is_decided(new)), rows, ruled

    def _candidates(self, state: Beams, logits: Array, before: int) -> tuple[Candidates, Array]:
        xp, v = self.xp, logits.shape[1]
        scores = self.task.ruled(xp, state.ids[:, :before], state.length, log_softmax_at(xp, logits))
        totals = xp.reshape(xp.reshape(scores, (-1, before, v)) + state.scores[:, :before, None], (-1, before * v))
        # Enough of them for n beams after every end token took its n.
        wanted = min(max(2, 1 + len(eos_ids(self.task.options))) * self.n, before * v)
        if self.task.noise is None:
            found, places = largest(xp, totals, wanted)
        else:
            noise = xp.reshape(self.task.noise(state.length, before), (-1, before * v))
            keys, places = largest(xp, totals + noise, wanted)
            found = xp.where(keys == IMPOSSIBLE, IMPOSSIBLE, xp.take(totals, places))
        return self._filled(Candidates(found, places // v, places % v)), scores

    def _filled(self, found: Candidates) -> Candidates:
        """At least n candidates, those missing impossible: a small vocabulary may have fewer."""
        xp, missing = self.xp, self.n - found.scores.shape[1]
        if missing <= 0:
            return found
        shape = (xp.shape(found.scores)[0], missing)
        none = xp.full(shape, 0, "int32")
        parts = zip(found, (xp.full(shape, IMPOSSIBLE, "float32"), none, none), strict=True)
        return Candidates(*(xp.concat(part, axis=1) for part in parts))

    def _ends(self, state: Beams, found: Candidates) -> Array:
        """Why each candidate is the end of its beam, or that it is none; (b, c)."""
        xp = self.xp
        is_full = state.length + 1 >= self.task.max_length
        last = xp.where(is_full, LENGTH, GOING_ON)
        return xp.where(self.task.ends(xp, found.tokens), EOS, last)

    def _extended(self, state: Beams, beams: Array, tokens: Array, before: int) -> tuple[Array, Array]:
        """Ids and trails of these beams with a token more; (b, k) -> two of (b, k, w)."""
        xp = self.xp
        rows = xp.arange(xp.shape(beams)[0])[:, None] * before + beams
        ids = xp.set_column(xp.take(state.ids, beams), state.length, tokens)
        return ids, xp.set_column(xp.take(state.trail, beams), state.length, rows)

    def _finish(self, state: Beams, found: Candidates, possible: Array, reasons: Array, before: int) -> Written:
        """The n best of what was finished before, and of what ends now; of equals, the earlier."""
        xp, n = self.xp, self.n
        # An end counts only among the first n: the candidates behind them are there to go on with.
        ended = (possible & (reasons != GOING_ON))[:, :n]
        stuck = ~xp.any(possible, axis=1, keepdims=True)
        ids, trail = self._extended(state, found.beams[:, :n], found.tokens[:, :n], before)
        written = state.length - self.task.first
        parts = [
            state.finished,
            self._new(state, state.ids, state.trail, (state.scores, stuck), BLOCKED, written),
            self._new(state, ids, trail, (found.scores[:, :n], ended), reasons[:, :n], written + 1),
        ]
        both = Written.joined(xp, parts)
        return both.take(xp, xp.top_k(both.scores, n)[1])

    def _new(
        self, state: Beams, ids: Array, trail: Array, scores: tuple[Array, Array], reasons: Array | int, length: Length
    ) -> Written:
        """Outputs that end where they may: `scores` and whether each does, (b, k)."""
        xp, (totals, ends) = self.xp, scores
        shape = xp.shape(totals)
        totals = xp.where(ends & ~state.done[:, None], totals / self._divisor(length), IMPOSSIBLE)
        lengths = xp.full(shape, 0, "int32") + length
        return Written(ids, lengths, totals, xp.full(shape, 0, "int32") + reasons, trail)

    def _divisor(self, length: Length) -> Array:
        """What a sum of log-probabilities over so many written tokens is divided by."""
        xp = self.xp
        return xp.columns(xp.asarray(self.divisors[None], "float32"), length, 1)

    def _is_decided(self, state: Beams) -> Array:
        """Whether no beam can displace a finished output any more, (b,)."""
        options = self.task.options
        none_left = state.scores[:, 0] == IMPOSSIBLE
        worst = state.finished.scores[:, -1]
        if options.early_stopping is True:
            return none_left | (worst > IMPOSSIBLE)
        length = state.length - self.task.first
        if options.early_stopping == "never" and options.length_penalty > 0:
            length = self.task.max_length - self.task.first
        best = state.scores[:, 0] / self._divisor(length)[0]
        return none_left | ((worst > IMPOSSIBLE) & (best <= worst))

    def settled(self, state: Beams) -> Array:
        """Which sources need not go on, (b,)."""
        return state.done

    def draws(self, state: Beams) -> Array:
        """Which rows draw tokens in the next step, (b, n), in the first (b, 1)."""
        draws = (state.scores > IMPOSSIBLE) & ~state.done[:, None]
        return draws[:, :1] if isinstance(state.length, int) else draws

    def beams(self, state: Beams) -> Array:
        """Every row being written, (b, n, w)."""
        return state.ids

    def result(self, state: Beams) -> Written:
        """Where the rules left fewer different outputs than are asked for, the last is repeated."""
        xp = self.xp
        there = xp.sum(xp.cast(state.finished.scores > IMPOSSIBLE, "int32"), axis=1, keepdims=True)
        index = xp.arange(self.task.options.num_return_sequences)[None]
        return state.finished.take(xp, xp.minimum(index, xp.maximum(there - 1, 0)))


def length_divisors(most: int, penalty: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """By how many tokens were written: what their score is divided by, in the definition's precision."""
    lengths = np.maximum(np.arange(most + 1), 1).astype(np.float64)
    with np.errstate(over="ignore"):
        return (lengths**penalty).astype(np.float32)


def largest(xp: Arrays, values: Array, count: int) -> tuple[Array, Array]:
    """The `count` largest of each row, largest first, and their places; (b, w) -> two of (b, count).

    They lie in the `count` chunks with the largest maxima. One pass finds those, and only they are sorted: the
    vocabularies of ten beams are half a million numbers.
    """
    width = values.shape[1]
    if width <= 4 * count * CHUNK:
        return xp.top_k(values, count)
    if width % CHUNK:
        beyond = xp.full((xp.shape(values)[0], -width % CHUNK), IMPOSSIBLE, "float32")
        values = xp.concat([values, beyond], axis=1)
    chunks = xp.reshape(values, (-1, values.shape[1] // CHUNK, CHUNK))
    _, promising = xp.top_k(xp.max(chunks, axis=2), count)  # (b, count)
    inside = xp.reshape(xp.take(chunks, promising), (-1, count * CHUNK))
    best, places = xp.top_k(inside, count)
    found = xp.take(promising, places // CHUNK) * CHUNK + places % CHUNK
    return best, xp.minimum(found, width - 1)  # of impossible ones, the place may lie in the padding
