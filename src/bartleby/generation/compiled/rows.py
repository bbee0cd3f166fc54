"""Greedy search and sampling over arrays of fixed shape. Definition: `search_rows` in generation/search.py."""

from __future__ import annotations

from typing import NamedTuple

from bartleby.generation.compiled.arrays import Array, Arrays, Length
from bartleby.generation.compiled.task import BLOCKED, EOS, GOING_ON, IMPOSSIBLE, LENGTH, Task, Written


class Rows(NamedTuple):
    """The rows of all sources, n each; those that have ended stay as they are."""

    written: Written
    length: Length
    """Prompt included."""


class RowSearch:
    """Greedy search and sampling: each row takes its best token, or draws one, until it ends."""

    def __init__(self, xp: Arrays, task: Task) -> None:
        self.xp, self.task = xp, task
        self.copies = task.options.num_return_sequences

    def start(self) -> Rows:
        """The rows before the first step."""
        return Rows(Written.nothing(self.xp, self.task, self.copies, 0.0), self.task.first)

    def advance(self, state: Rows, logits: Array) -> tuple[Rows, Array | None, Array]:
        """Write the next token. Shapes: logits (r, v).

        Returns the new state, the rows of `logits` that go on (b, n), or None if all do as they stand, and the scores
        after the rules (r, v).
        """
        xp, written = self.xp, state.written
        count, v = xp.shape(written.lengths)[0], logits.shape[1]
        is_first = isinstance(state.length, int) and self.copies > 1
        ids = written.ids[:, :1] if is_first else written.ids
        ruled = self.task.ruled(xp, ids, state.length, logits)
        scores = xp.reshape(ruled, (-1, ids.shape[1], v))  # (b, n, v), in the first step (b, 1, v)
        keys = scores if self.task.noise is None else scores + self.task.noise(state.length, self.copies)
        tokens = xp.broadcast_to(xp.cast(xp.argmax(keys, axis=2), "int32"), (count, self.copies))
        likely = _at_tokens(xp, xp.reshape(log_softmax_at(xp, logits), (-1, ids.shape[1], v)), tokens)
        new = self._write(state, tokens, _at_tokens(xp, scores, tokens) > IMPOSSIBLE, likely)
        parents = xp.broadcast_to(xp.arange(count)[:, None], (count, self.copies)) if is_first else None
        return new, parents, ruled

    def _write(self, state: Rows, tokens: Array, possible: Array, likely: Array) -> Rows:
        """The tokens at the end of the rows that have not ended, and which end there; all (b, n)."""
        xp, rows = self.xp, state.written
        goes_on = rows.reasons == GOING_ON
        takes = goes_on & possible
        length = state.length + 1
        is_full = length >= self.task.max_length
        last = xp.where(is_full, LENGTH, GOING_ON)
        reason = xp.where(self.task.ends(xp, tokens), EOS, last)
        reason = xp.where(possible, reason, BLOCKED)
        written = Written(
            xp.set_column(rows.ids, state.length, xp.where(takes, tokens, self.task.filler)),
            rows.lengths + xp.cast(takes, "int32"),
            rows.scores + xp.where(takes, likely, 0.0),
            xp.where(goes_on, reason, rows.reasons),
            rows.trail,
        )
        return Rows(written, length)

    def settled(self, state: Rows) -> Array:
        """Which sources need not go on, (b,)."""
        return self.xp.all(state.written.reasons != GOING_ON, axis=1)

    def draws(self, state: Rows) -> Array:
        """Which rows draw a token in the next step, (b, n)."""
        return state.written.reasons == GOING_ON

    def beams(self, state: Rows) -> Array:
        """Every row being written, (b, n, w)."""
        return state.written.ids

    def result(self, state: Rows) -> Written:
        """What the sources have come to, `num_return_sequences` each."""
        return state.written


def _at_tokens(xp: Arrays, values: Array, tokens: Array) -> Array:
    """Of each row its own token's. Shapes: values (b, n or 1, v), tokens (b, n) -> (b, n)."""
    rows, v = values.shape[1], values.shape[2]
    if rows == 1:
        return xp.take(xp.reshape(values, (-1, v)), tokens)
    flat = xp.take(xp.reshape(values, (-1, v)), xp.reshape(tokens, (-1, 1)))
    return xp.reshape(flat, (-1, rows))


def log_softmax_at(xp: Arrays, logits: Array) -> Array:
    """Log-probabilities of the model's own scores, of which one is always possible; (r, v)."""
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
