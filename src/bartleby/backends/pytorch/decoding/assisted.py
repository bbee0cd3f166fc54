"""Assisted decoding: a draft writes a few tokens ahead, the model reads them all at once and keeps what it agrees with.

One pass of the model then writes several tokens, and what is written is as without the draft: greedy search takes the
same ids, sampling draws from the same distribution (arXiv 2211.17192, algorithm 1). A token is checked after those
before it are written, so rules, processors and criteria see every written token once, in order, and never a rejected
one. A pass over several tokens rounds otherwise than several passes over one: in float32 no difference was seen, in
half precision what all but ties can fall the other way. Where drafts come from: drafts.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.lookahead import Decoded, ModelReader
from bartleby.backends.pytorch.decoding.rows import Rows
from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE
from bartleby.backends.pytorch.decoding.task import GOING_ON, Task, Written
from bartleby.errors import OptionError


@dataclass(frozen=True)
class Proposal:
    """What may come next."""

    tokens: Tensor
    """(k,)"""
    scores: Tensor | None = None
    """What each was drawn from, (k, v); None where they were found, not drawn."""


class Draft(Protocol):
    """Whoever writes ahead for one row."""

    def propose(self, ids: Tensor, most: int) -> Proposal:
        """At most `most` tokens that may follow ids (1, t)."""

    def learn(self, proposed: int, accepted: int) -> None:
        """How many of them were right."""


Opener = Callable[[int], tuple[ModelReader, Draft]]
"""The model that has read nothing yet, and a new draft, for the source at a place."""


def assisted_search(task: Task, opened: Opener) -> Written:
    """Write every source's outputs, in the order of the prompts, one row after the other: rows advance unequally.

    Raises: OptionError if somebody follows the steps of more than one row.
    """
    copies, count = task.options.num_return_sequences, len(task.prompts)
    if task.listener is not None and copies * count > 1:
        raise OptionError(
            "With an assistant or prompt lookup, rows are written one after the other, so nobody can follow the steps "
            f"of {copies * count} of them together. Leave out what follows them, or give sources one by one."
        )
    places = torch.arange(count, device=task.prompts.device)
    parts = [[_write_row(task, place, *opened(int(place))) for _ in range(copies)] for place in places]
    return Written.joined([Written.joined(part, dim=1) for part in parts], dim=0)


def _write_row(task: Task, place: Tensor, reader: ModelReader, draft: Draft) -> Written:
    row = AssistedRow(task, place)
    while row.goes_on:
        ids = row.written()
        proposal = draft.propose(ids, most=task.max_length - row.length - 1)  # the model adds one of its own
        decoded = reader.look(torch.cat([ids, proposal.tokens[None]], dim=1))
        accepted = row.check(proposal, decoded, reader)
        draft.learn(len(proposal.tokens), accepted)
        reader.crop(row.length - 1)  # of what is written, the last token is not read
    return row.result()


class AssistedRow(Rows):
    """One row of one source, which takes from a proposal what the model agrees with."""

    def __init__(self, task: Task, place: Tensor) -> None:
        options = copy.copy(task.options)
        options.num_return_sequences = 1
        super().__init__(replace(task, options=options, prompts=task.prompts[place, None]))
        self.sources = place[None]  # rules, padding and noise are those of the whole task

    @property
    def goes_on(self) -> bool:
        return bool(self.rows.reasons == GOING_ON)

    def check(self, proposal: Proposal, decoded: Decoded, reader: ModelReader) -> int:
        """Write tokens until one is not the proposed one, or the row ends; returns how many were.

        What the model made of the proposal, `decoded`, ends with what it made of the last written token and of each
        proposed one, so it says one token more than was proposed.
        """
        count = len(proposal.tokens)
        assert decoded.last_hidden_state is not None
        logits = reader.score(decoded.last_hidden_state[0, -count - 1 :])  # (k + 1, v)
        for place in range(count + 1):
            reader.saw(logits[place, None], step_of(decoded, place, count))
            self._advance_by_one(logits[place, None], proposal, place)
            agrees = place < count and bool(self.rows.ids[0, 0, self.length - 1] == proposal.tokens[place])
            if not (agrees and self.goes_on):
                return place + agrees
        return count

    def _advance_by_one(self, logits: Tensor, proposal: Proposal, place: int) -> None:
        scores = self.task.ruled(self.written(), logits.clone(), self.sources)  # (1, v)
        if self.task.noise is None:
            token = scores.argmax(dim=1)
        elif proposal.scores is None or place == len(proposal.tokens):
            token = (scores + self._noise(scores.shape[1])).argmax(dim=1)
        else:
            token = self._drawn(scores, proposal.tokens[place, None], proposal.scores[place, None])
        token = token[:, None]
        self._write(token, scores.gather(1, token) > IMPOSSIBLE, logits.log_softmax(dim=1).gather(1, token))
        if self.task.listener is not None:
            self.task.listener.wrote(self.written()[:, -1])

    def _drawn(self, scores: Tensor, proposed: Tensor, drafted: Tensor) -> Tensor:
        """Rejection sampling: the proposed token (1,), or one drawn from what the draft gave too little to; (1,)."""
        wanted, given = scores.softmax(dim=1), drafted.softmax(dim=1)
        uniform = (-(-self._noise(1)).exp()).exp()  # Gumbel noise is -log(-log u)
        if bool(uniform[0] * given[0, proposed] <= wanted[0, proposed]):
            return proposed
        missing = (wanted - given).clamp(min=0)
        missing = torch.where(missing.sum() > 0, missing, wanted)  # equal but for rounding
        return (missing.log() + self._noise(scores.shape[1])).argmax(dim=1)

    def _noise(self, width: int) -> Tensor:
        assert self.task.noise is not None
        return self.task.noise(self.sources, 1, width)[0]  # (1, width)


def step_of(decoded: Decoded, place: int, count: int) -> Decoded:
    """What one pass over `count` proposed tokens holds for the token at `place`, as if it had been read alone.

    The first step of all keeps the prompt, as in other searches.
    """
    if decoded.hidden_states is None and decoded.attentions is None:
        return decoded
    assert decoded.last_hidden_state is not None
    end = decoded.last_hidden_state.shape[1] - count + place
    new = slice(0 if place == 0 else end - 1, end)

    def of(states: tuple[Tensor, ...] | None, keys: slice) -> tuple[Tensor, ...] | None:
        return None if states is None else tuple(state[..., new, keys] for state in states)

    return Decoded(
        decoded.last_hidden_state[:, new],
        decoded.past_key_values,
        of(decoded.hidden_states, slice(None)),
        of(decoded.attentions, slice(0, place - count if place < count else None)),
        of(decoded.cross_attentions, slice(None)),
    )
