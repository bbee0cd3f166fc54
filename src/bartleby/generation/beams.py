"""Beams: the few best unfinished outputs of one source, and the hypotheses it has finished. Knows one source only.

A step of beam search, for one source with n beams:
    find_candidates   the 2n best ways to go on by one token, over all beams
    advance           of these, what ends becomes a hypothesis, the best n of the rest are the new beams
    is_settled        whether going on could still change the hypotheses
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import eos_ids
from bartleby.generation.rules import Ids, Scores

FinishReason = Literal["eos", "length", "blocked", "stopped"]


@dataclass(frozen=True)
class Hypothesis:
    """One finished output."""

    ids: tuple[int, ...]
    """What was written after the prompt, the end token included when there is one."""

    score: float
    """Log-probability. With beams: after the rules, divided by length ** length_penalty; else of the model alone."""

    finish_reason: FinishReason
    """"eos": it ended; "length": no more room; "blocked": the rules left no token to go on with;
    "stopped": a time limit, a stop string or a caller's own criterion ended it."""


@dataclass(frozen=True)
class BeamOptions:
    """What one source's beams need to know, read from the options once."""

    beams: int
    length_penalty: float
    early_stopping: bool | str
    eos: tuple[int, ...]
    prompt_length: int
    max_length: int

    @classmethod
    def of(cls, options: GenerationConfig, prompt_length: int, max_length: int) -> BeamOptions:
        return cls(
            beams=options.num_beams,
            length_penalty=options.length_penalty,
            early_stopping=options.early_stopping,
            eos=eos_ids(options),
            prompt_length=prompt_length,
            max_length=max_length,
        )

    @property
    def candidates(self) -> int:
        """How many ways to go on are looked at: enough for n beams after every end token took its n."""
        return max(2, 1 + len(self.eos)) * self.beams

    def normalized(self, score: np.float32, length: int) -> np.float32:
        """A sum of log-probabilities over `length` written tokens, made comparable between lengths."""
        return score / np.float32(max(length, 1) ** self.length_penalty)


class Candidate(NamedTuple):
    """One token written after one beam."""

    score: np.float32
    beam: int
    token: int


@dataclass
class Beams:
    """The state of one source: ids (n, t), prompt included, and scores (n,), best first."""

    ids: Ids
    scores: Scores
    finished: list[Hypothesis] = field(default_factory=list)
    """The best n so far, best first."""

    @classmethod
    def start(cls, prompt: Sequence[int]) -> Beams:
        """One beam: several alike would find the same candidates."""
        return cls(np.array([prompt], dtype=np.int64), np.zeros(1, dtype=np.float32))


def find_candidates(totals: Scores, count: int, rng: np.random.Generator | None = None) -> list[Candidate]:
    """The best `count` of all candidates, best first; with an `rng` drawn by their probability, in the order drawn.

    Shapes: totals (n, v), the scores of the beams with each token added. An impossible candidate (-inf) is none.
    """
    flat = totals.ravel()
    # The largest of log-probability + Gumbel noise are a draw without repetition (arXiv 1903.06059).
    keys = flat if rng is None else flat + rng.gumbel(size=flat.shape)
    possible = np.flatnonzero(np.isfinite(flat))
    chosen = possible[np.argsort(-keys[possible], kind="stable")[:count]]
    return [Candidate(flat[place], *divmod(int(place), totals.shape[1])) for place in chosen]


def advance(state: Beams, candidates: Sequence[Candidate], options: BeamOptions) -> list[Candidate]:
    """Finish what ends and write the next token of the rest into `state`; returns the candidates that became beams."""
    length = state.ids.shape[1] + 1
    is_full = length >= options.max_length
    # An end counts only among the first n: the candidates behind them are there to go on with.
    ended = [one for one in candidates[: options.beams] if is_full or one.token in options.eos]
    for one in ended:
        ids = (*state.ids[one.beam, options.prompt_length :].tolist(), one.token)
        score = options.normalized(one.score, len(ids))
        _finish(state, Hypothesis(ids, float(score), "eos" if one.token in options.eos else "length"), options)
    if not candidates:
        _finish_blocked(state, options)
    going_on = [one for one in candidates if not is_full and one.token not in options.eos]
    going_on = sorted(going_on, key=lambda one: -one.score)[: options.beams]
    parents = [one.beam for one in going_on]
    tokens = np.array([one.token for one in going_on], dtype=np.int64)
    state.ids = np.concatenate([state.ids[parents], tokens[:, None]], axis=1)
    state.scores = np.array([one.score for one in going_on], dtype=np.float32)
    return going_on


def _finish(state: Beams, hypothesis: Hypothesis, options: BeamOptions) -> None:
    state.finished.append(hypothesis)
    state.finished.sort(key=lambda one: -one.score)  # stable: of equals, the earlier stays ahead
    del state.finished[options.beams :]


def _finish_blocked(state: Beams, options: BeamOptions) -> None:
    for ids, score in zip(state.ids[:, options.prompt_length :].tolist(), state.scores, strict=True):
        _finish(state, Hypothesis(tuple(ids), float(options.normalized(score, len(ids))), "blocked"), options)


def is_settled(state: Beams, options: BeamOptions) -> bool:
    """Whether no beam is left, or none is expected to displace a hypothesis.

    `early_stopping` True: n hypotheses are enough. False: compare the best beam as if it ended now, which is hasty
    when long outputs are favoured. "never": compare it at the length that would suit it best.
    """
    if len(state.scores) == 0:
        return True
    if len(state.finished) < options.beams:
        return False
    if options.early_stopping is True:
        return True
    length = state.ids.shape[1] - options.prompt_length
    if options.early_stopping == "never" and options.length_penalty > 0:
        length = options.max_length - options.prompt_length
    return float(options.normalized(state.scores[0], length)) <= state.finished[-1].score
