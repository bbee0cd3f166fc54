"""Constrained beam search, one step for one source: which ways to go on become its beams.

A beam that has come further with the constraints is in a higher bank. The best of each bank come first, then the second
best of each, and so on: outputs that are likely and outputs that make progress both stay.
Source: Post and Vilar 2018 (arXiv 1804.06609), which fills a number of places per bank; this order is that of 4.37.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bartleby.errors import VocabularyError
from bartleby.generation.beams import Candidate
from bartleby.generation.constraints import Constraint, ConstraintListState

Step = tuple[int, int]
"""A beam and the token that takes it further with its constraints."""

BANK = np.float32(100)
"""A bank is worth this much log-probability."""


class Follower:
    """The constraints on the beams of one source."""

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self.constraints = constraints

    def state(self, ids: Sequence[int]) -> ConstraintListState:
        """How far an output has come, its prompt included."""
        state = ConstraintListState(self.constraints)
        for token in ids:
            if state.completed:
                break
            state.add(token)
        return state

    def is_fulfilled(self, ids: Sequence[int]) -> bool:
        return self.state(ids).completed

    def chosen(
        self,
        beams: Sequence[Sequence[int]],
        states: Sequence[ConstraintListState],
        likely: Sequence[Candidate],
        steps: Sequence[Candidate],
    ) -> list[Candidate]:
        """As many as there are `likely`, the best candidates; `steps` are those of `steps_of`, scored.

        `states` are those of the beams, and used up: they are of no use afterwards.
        """
        further = list(_new(beams, states, likely, steps))
        if not further:
            return list(likely)
        candidates = [*likely, *(candidate for candidate, _ in further)]
        reached = [*(self.state([*beams[one.beam], one.token]) for one in likely), *(state for _, state in further)]
        order = bank_order([state.get_bank() for state in reached], [one.score for one in candidates])
        return [candidates[place] for place in order[: len(likely)]]


def steps_of(states: Sequence[ConstraintListState]) -> list[Step]:
    """The tokens that would take each of the beams further."""
    return [(beam, token) for beam, state in enumerate(states) for token in _advance(state)]


def _new(
    beams: Sequence[Sequence[int]],
    states: Sequence[ConstraintListState],
    likely: Sequence[Candidate],
    steps: Sequence[Candidate],
) -> Iterator[tuple[Candidate, ConstraintListState]]:
    """Those of `steps` that are not among the likely outputs, each once, and how far they come."""
    known = {(*beams[one.beam], one.token) for one in likely}
    for one in steps:
        state = states[one.beam].copy(stateful=True)
        state.add(one.token)
        if (*beams[one.beam], one.token) not in known:
            known.add((*beams[one.beam], one.token))
            yield one, state


def _advance(state: ConstraintListState) -> list[int]:
    return [] if state.completed else state.advance() or []


def bank_order(banks: Sequence[int], scores: Sequence[np.float32]) -> list[int]:
    """The places of the candidates: the first of every run of one bank, then the second of every run …"""
    worth = np.array(banks, dtype=np.float32) * BANK + np.array(scores, dtype=np.float32)
    best_first = np.argsort(-worth, kind="stable")
    rank, ranks = 0, []
    for place, before in zip(best_first, [None, *best_first], strict=False):
        rank = rank + 1 if before is not None and banks[place] == banks[before] else 0
        ranks.append(rank)
    order: list[int] = best_first[np.argsort(ranks, kind="stable")].tolist()
    return order


def check_steps(steps: Sequence[Sequence[Step]], vocabulary: int) -> None:
    """Raises: VocabularyError if a constraint asks for a token there is not."""
    outside = sorted({token for own in steps for _, token in own if not 0 <= token < vocabulary})
    if outside:
        raise VocabularyError(
            f"Constraints must ask for token ids from 0 to {vocabulary - 1}, but ask for {outside}. "
            "Use the tokenizer of this checkpoint."
        )
