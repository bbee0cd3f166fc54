"""What a compiled search is about: the task, the rows that are judged, and what was written.

Axis letters of this package: b sources, n rows of a source (beams or samples), r = b·n of them all (in the first step,
which reads each prompt once, r is b), c candidates, w the room of a row (`max_length`), v vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bartleby.generation.beams import FinishReason, Hypothesis
from bartleby.generation.compiled.arrays import Array, Arrays, Length
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import listed
from bartleby.generation.resolution import eos_ids
from bartleby.generation.task import Generated

REASONS: tuple[FinishReason, ...] = ("eos", "length", "blocked")
EOS, LENGTH, BLOCKED = range(3)
GOING_ON = -1
NOT_WRITTEN = -1
NO_TOKEN = -1  # in the place of padding; no n-gram is completed by it
IMPOSSIBLE = float("-inf")


class Writing(NamedTuple):
    """The rows that rules judge."""

    ids: Array
    """(r, w), of which the first `length` columns are written. NO_TOKEN where prompts are padding."""
    length: Length
    copies: int
    """How many rows in turn belong to one source: 1 in the first step, n in all others."""
    first: int
    """The length of the prompts: `length` is that in the first step, and more in all others."""


Rule = Callable[[Writing, Array], Array]
"""From the scores (r, v) of the next token to new ones."""

Noise = Callable[[Length, int], Array]
"""Gumbel noise (b, rows, v) for the step at this length: the largest of log-probability plus noise is a draw by
probability (arXiv 1611.01144)."""


@dataclass(frozen=True)
class Task:
    """What is to be written: one prompt a source, all of one length."""

    options: GenerationConfig
    rules: Sequence[Rule]
    prompts: Array
    """(b, t), the start token included; t must be known before the program runs."""
    max_length: int
    noise: Noise | None = None
    """When sampling."""
    padding: Array | None = None
    """Where prompts are padding, (b, t): to the rules nothing is written there."""

    @property
    def first(self) -> int:
        """The length of the prompts."""
        return int(self.prompts.shape[1])

    def ruled(self, xp: Arrays, ids: Array, length: Length, scores: Array) -> Array:
        """The scores after all rules. Shapes: ids (b, k, w), scores (b · k, v)."""
        copies = ids.shape[1]
        if self.padding is not None:
            shape = xp.shape(ids)
            behind = xp.full((shape[0], self.max_length - self.first), False, "bool")
            hidden = xp.concat([self.padding, behind], axis=1)
            ids = xp.where(hidden[:, None], NO_TOKEN, ids)
        writing = Writing(xp.reshape(ids, (-1, self.max_length)), length, copies, self.first)
        for rule in self.rules:
            scores = rule(writing, scores)
        return scores

    def ends(self, xp: Arrays, tokens: Array) -> Array:
        """Which of `tokens` end a sequence."""
        eos = eos_ids(self.options)
        if not eos:
            return tokens < 0
        return xp.any(tokens[..., None] == xp.asarray(np.array(eos), "int32"), axis=-1)

    @property
    def filler(self) -> int:
        """What stands behind the end of an output: the pad token, or else the first end token."""
        pads = (*listed(self.options.pad_token_id), *eos_ids(self.options), 0)
        return pads[0]


class Written(NamedTuple):
    """Outputs of all sources. Shapes: ids and trail (b, k, w), prompt included; all others (b, k)."""

    ids: Array
    lengths: Array
    """Of what was written after the prompt; behind it stands the filler."""
    scores: Array
    reasons: Array
    """Why each ended, as places in REASONS."""
    trail: Array
    """With beams: the row of its step that each token was chosen for; NOT_WRITTEN in prompts and behind the end."""

    @classmethod
    def nothing(cls, xp: Arrays, task: Task, rows: int, score: float) -> Written:
        """Room for so many outputs of each source that hold only the prompt."""
        count = xp.shape(task.prompts)[0]
        room = task.max_length - task.first
        prompts = xp.broadcast_to(task.prompts[:, None], (count, rows, task.first))
        ids = xp.concat([prompts, xp.full((count, rows, room), task.filler, "int32")], axis=2)
        lengths = xp.full((count, rows), 0, "int32")
        scores = xp.full((count, rows), score, "float32")
        reasons = xp.full((count, rows), GOING_ON, "int32")
        return cls(ids, lengths, scores, reasons, xp.full((count, rows, task.max_length), NOT_WRITTEN, "int32"))

    def take(self, xp: Arrays, index: Array) -> Written:
        """Of each source the outputs `index` (b, k)."""
        return Written(*(xp.take(column, index) for column in self))

    @classmethod
    def joined(cls, xp: Arrays, parts: Sequence[Written]) -> Written:
        """Those of several, side by side."""
        return cls(*(xp.concat(column, axis=1) for column in zip(*parts, strict=True)))


def hypotheses(written: Written, prompt_length: int) -> Generated:
    """What a search left, as arrays on the host, as the hypotheses of each source."""
    columns = (written.ids[:, :, prompt_length:], written.lengths, written.scores, written.reasons)
    return [
        [
            Hypothesis(tuple(ids[:length]), score, REASONS[reason])
            for ids, length, score, reason in zip(*source, strict=True)
        ]
        for source in zip(*(column.tolist() for column in columns), strict=True)
    ]
