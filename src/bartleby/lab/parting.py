"""Where two answers part, and whether that is an error or a choice that hangs on rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import start_id
from bartleby.generation.rules import Scores, apply_rules, log_softmax, rules_for
from bartleby.lab.sides import Array, Side

Known = dict[tuple[tuple[int, ...], tuple[int, ...]], Array]
"""Source and answer -> the logits of the answer."""


@dataclass(frozen=True)
class Parting:
    """The first place where two answers to a source differ, with what the definition thinks of them."""

    source: int
    place: int
    tokens: tuple[int | None, int | None]
    """None where one of them has ended."""
    margin: float
    """How far apart the definition scores the two: the tokens of greedy search, the whole answers of beams."""

    def __str__(self) -> str:
        one, other = ("the end" if token is None else str(token) for token in self.tokens)
        return f"answer {self.source} parts at token {self.place}: {one} or {other}, scored {self.margin:.1e} apart"


def partings(
    ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]], sources: Sequence[Sequence[int]], judge: Judge
) -> list[Parting]:
    """One for every source whose answers are not the same."""
    found = []
    for source, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if list(one) != list(other):
            shared = zip(one, other, strict=False)
            place = next((place for place, (a, b) in enumerate(shared) if a != b), min(len(one), len(other)))
            tokens = tuple(each[place] if place < len(each) else None for each in (one, other))
            margin = judge.margin(sources[source], one, other, place)
            found.append(Parting(source, place, (tokens[0], tokens[1]), margin))
    return found


class Judge:
    """Scores answers as the definition does, rules included, in one reading of each."""

    def __init__(self, definition: Side, head: str, options: GenerationConfig, known: Known | None = None) -> None:
        """`known` is what the definition said before, which it need not be asked again: it is slow."""
        self.definition, self.head, self.options = definition, head, options
        self.known = {} if known is None else known

    def margin(self, source: Sequence[int], one: Sequence[int], other: Sequence[int], place: int) -> float:
        """The difference between two answers that part at `place`."""
        if self.options.num_beams > 1:
            return abs(self.total(source, one) - self.total(source, other))
        if place >= min(len(one), len(other)):
            return float("inf")  # greedy search ends at eos, which is a token: one of them stopped for no reason
        scores = self.scores(source, one[: place + 1])[place]
        return abs(float(scores[one[place]]) - float(scores[other[place]]))

    def shortfall(self, source: Sequence[int], answer: Sequence[int]) -> float:
        """How far below the best choice the definition sees any token of an answer: 0 if it would write the same."""
        scores = self.scores(source, answer)
        taken = scores[np.arange(len(answer)), list(answer)]
        return float((scores.max(axis=1) - taken).max(initial=0.0))

    def total(self, source: Sequence[int], answer: Sequence[int]) -> float:
        """The score by which beams compare whole answers."""
        scores = self.scores(source, answer)
        total = float(scores[np.arange(len(answer)), list(answer)].sum())
        return total / float(max(len(answer), 1) ** self.options.length_penalty)

    def scores(self, source: Sequence[int], answer: Sequence[int]) -> Scores:
        """What the rules leave of the scores of every next token: logits, of beams log-probabilities; (t, v)."""
        prompt = list(source) if self.head == "causal_lm" else [start_id(self.options)]
        logits = self.logits(source, answer)
        rules = rules_for(self.options, len(prompt), [source])
        likely = log_softmax(logits) if self.options.num_beams > 1 else logits
        first = np.zeros(1, dtype=np.int64)
        ruled = [
            apply_rules(rules, np.array([[*prompt, *answer[:place]]]), likely[place : place + 1].copy(), first)[0]
            for place in range(len(answer))
        ]
        return np.stack(ruled)

    def logits(self, source: Sequence[int], answer: Sequence[int]) -> Array:
        """What the definition says of every next token of an answer; (t, v)."""
        key = (tuple(source), tuple(answer))
        if key not in self.known:
            alone = self.head == "causal_lm"
            logits = self.definition.forward([[*source, *answer] if alone else source], [answer])[0]
            self.known[key] = logits[len(source) - 1 : -1] if alone else logits
        return self.known[key]
