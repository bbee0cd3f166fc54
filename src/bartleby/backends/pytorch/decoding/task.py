"""What a search on the device is about: the task, who reads and scores, the rows of a step, and what was written.

Axis letters of this package: b live sources, n rows of a source (beams or samples), r = b·n of them all, c candidates,
t tokens so far, v vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.noise import Noise
from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE, NO_TOKEN, Rule
from bartleby.generation.beams import FinishReason
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import eos_ids

REASONS: tuple[FinishReason, ...] = ("eos", "length", "blocked", "stopped")
EOS, LENGTH, BLOCKED, STOPPED = range(4)
GOING_ON = -1
NOT_WRITTEN = -1


class Writer(Protocol):
    """A model with its encoded sources, and the rows that are being written for them."""

    def step(self, ids: Tensor) -> Tensor:
        """Read what is new in ids (r, t) and score what comes next: float32 logits (r, v), fresh in every step.

        r is first b, one row a source, and b·n after the first `reorder`; in a whole search it is always b·n.
        """

    def reorder(self, rows: Tensor) -> None:
        """Go on with copies of these rows (r,), in this order; a row may be taken twice or not at all."""

    def keep(self, sources: Tensor) -> None:
        """Forget all sources but these; their rows are dropped by `reorder`."""


class Listener(Protocol):
    """Someone who follows a whole search step by step."""

    def scored(self, scores: Tensor) -> None:
        """What the rules made of the next token's scores, (r, v)."""

    def wrote(self, tokens: Tensor) -> None:
        """What was written, (r,)."""


@dataclass(frozen=True)
class Task:
    """What is to be written: one prompt a source, all of one length."""

    options: GenerationConfig
    rules: Sequence[Rule]
    prompts: Tensor
    """(b, t), the start token included."""
    max_length: int
    noise: Noise | None = None
    """When sampling."""
    padding: Tensor | None = None
    """Where prompts are padding, (b, t): to the rules nothing is written there."""
    whole: bool = False
    """Keep every row of every source from the first step to the last: for callers who count rows, and for devices that
    should not wait to learn which are finished."""
    pause: int = 1
    """Of a whole search: how many steps to take before asking the device whether everything is finished."""
    stops: Callable[[Tensor], Tensor] | None = None
    """What ends rows besides end tokens and length, told by their ids: (r, t) -> (r,) bool. Needs a whole search."""
    listener: Listener | None = None
    """Needs a whole search."""
    extras: dict[str, Any] = field(default_factory=dict)
    """What callers' processors may ask for besides ids and scores; kept up to date by the searches that have more."""

    def ruled(self, ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        """The scores after all rules. Shapes: ids (r, t), scores (r, v), changed in place, sources (b,) -> (r, v)."""
        rows = sources.repeat_interleave(len(ids) // len(sources))
        if self.padding is not None:
            ids = ids.clone()
            ids[:, : self.prompts.shape[1]].masked_fill_(self.padding[rows], NO_TOKEN)
        for rule in self.rules:
            scores = rule(ids, scores, rows)
        if self.listener is not None:
            self.listener.scored(scores)
        return scores

    @cached_property
    def eos(self) -> Tensor:
        """Every token that ends a sequence, (e,)."""
        return self.prompts.new_tensor(eos_ids(self.options))

    def ends(self, tokens: Tensor) -> Tensor:
        """Which of `tokens` end a sequence."""
        return (tokens[..., None] == self.eos).any(dim=-1)

    def stopped(self, ids: Tensor) -> Tensor:
        """Which sequences are told to stop; (b, k, t) -> (b, k)."""
        if self.stops is None:
            return torch.zeros(ids.shape[:2], dtype=torch.bool, device=ids.device)
        return self.stops(ids.flatten(0, 1)).unflatten(0, ids.shape[:2])


@dataclass
class Written:
    """Outputs of some sources. Shapes: ids and trail (b, n, max_length), prompt included; all others (b, n)."""

    ids: Tensor
    lengths: Tensor
    """Of what was written after the prompt; what stands behind it means nothing."""
    scores: Tensor
    reasons: Tensor
    """Why each ended, as places in REASONS."""
    trail: Tensor
    """With beams: the row of its step that each token was chosen for; NOT_WRITTEN in prompts and behind the end."""

    @classmethod
    def nothing(cls, task: Task, rows: int) -> Written:
        """Room for `rows` outputs of each source that hold only the prompt, with the score of impossible ones."""
        count, length = task.prompts.shape
        ids = task.prompts.new_zeros(count, rows, task.max_length)
        ids[:, :, :length] = task.prompts[:, None]
        zeros = task.prompts.new_zeros(count, rows)
        scores = torch.full_like(zeros, IMPOSSIBLE, dtype=torch.float32)
        return cls(ids, zeros, scores, zeros.clone(), torch.full_like(ids, NOT_WRITTEN))

    def columns(self) -> tuple[Tensor, ...]:
        """All fields, in order."""
        return self.ids, self.lengths, self.scores, self.reasons, self.trail

    def of(self, sources: Tensor) -> Written:
        """The outputs of these sources."""
        return Written(*(column[sources] for column in self.columns()))

    def take(self, index: Tensor) -> Written:
        """Of each source the outputs `index` (b, k)."""
        at = torch.arange(len(index), device=index.device)[:, None], index
        return Written(*(column[at] for column in self.columns()))

    @classmethod
    def joined(cls, parts: Sequence[Written], dim: int) -> Written:
        """Those of several, side by side (`dim` 1) or one below the other (0)."""
        return cls(*(torch.cat(column, dim) for column in zip(*(part.columns() for part in parts), strict=True)))


class State(Protocol):
    """The rows of all live sources."""

    sources: Tensor
    """(b,): their places in the task."""

    def written(self) -> Tensor:
        """What the writer reads next, (r, t): the prompts at first, then all rows."""

    def advance(self, logits: Tensor) -> Tensor | None:
        """Write the next token. Shapes: (r, v) -> the rows that go on, (b, n); None if they all do as they stand."""

    def settled(self) -> Tensor:
        """Which sources need not go on, (b,)."""

    def result(self) -> Written:
        """What the sources have come to, `num_return_sequences` each."""

    def keep(self, sources: Tensor) -> None:
        """Go on with these of the live sources, (k,)."""


def padding_id(options: GenerationConfig) -> int | None:
    """What stands behind the end of an output: the pad token, or else the first end token."""
    return next((each for each in (options.pad_token_id, *eos_ids(options)) if each is not None), None)
