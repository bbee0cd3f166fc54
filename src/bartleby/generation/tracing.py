"""Watching a search from beside it: what the rules are given and what they leave says how every output came to be.

A `Tracer` puts itself between the rules, so a search needs to know nothing of it:

    tracer = Tracer(options, provenance(options, overrides, checkpoint))
    rules = tracer.watched(rules)             # of the plain definition, or
    rules = tracer.watched(functions, rules)  # functions, with the rules they carry out
    …                                         # the search, as always, with these rules
    trace = tracer.finish([[(hypothesis.ids, hypothesis.finish_reason), …] for each source])

Rows are known by their source and by what they have written; so a row's next token is found in the next step's rows,
and an output's last token in the output. Only the steps of outputs are reported: beams that were given up are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.generation.beams import FinishReason
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import DEFAULTS
from bartleby.generation.provenance import Origin
from bartleby.generation.resolution import eos_ids, length_bounds, start_id
from bartleby.generation.standing import Chance, Row, chances_of, leading, rank
from bartleby.generation.trace import FEW, Bound, Candidate, Effect, OutputTrace, Step, Touch, Trace

Key = tuple[int, tuple[int, ...]]
"""A row: its source, and what it has written."""


@dataclass
class Seen:
    """What is known of one row in one step."""

    row: int
    raw: Row | None
    """Scores before the rules; forgotten as soon as it is known what was chosen."""
    before: tuple[Candidate, ...]
    ruled: Row | None = None
    after: tuple[Candidate, ...] = ()
    effects: list[Effect] = field(default_factory=list)
    chances: dict[int, Chance] = field(default_factory=dict)
    possible: int = 0

    def chance(self, token: int) -> Chance | None:
        """None where the scores are forgotten and the token is none of those that went on or end."""
        if token not in self.chances and self.raw is not None and self.ruled is not None:
            self.chances |= chances_of([token], self.raw, self.ruled)
        return self.chances.get(token)


class Tracer:
    """Watches one search of sources whose prompts have the same length."""

    def __init__(self, options: GenerationConfig, origins: Mapping[str, Origin] | None = None) -> None:
        self.options = options
        values = {name: getattr(options, name, default) for name, default in DEFAULTS.items()}
        self.origins = origins or {name: Origin(value, "default", value) for name, value in values.items()}
        self.eos = eos_ids(options)
        self.prompt_length: int | None = None
        """Known from the first step on, in which nothing else is written."""
        self.prompts: dict[int, tuple[int, ...]] = {}
        self.steps: list[dict[Key, Seen]] = []
        self._rows: list[Seen | None] = []
        """Of the step at hand; None for rows that are not followed: they have ended, or are like another."""
        self._scores: Row = np.zeros((0, 0))

    # ---- between the rules ---------------------------------------------------------------------------------------

    def watched(self, rules: Sequence[Any], labels: Sequence[Any] | None = None) -> list[Any]:
        """`rules`, watched: to be applied in place of them, in this order.

        `labels` says for each what it is: the rule of the definition it carries out, or a name such as
        "logits_processor"; without them the rules speak for themselves.
        """
        labelled = zip(rules, rules if labels is None else labels, strict=True)
        return [
            Watch(lambda ids, scores, sources: self.begin(ids, scores, sources)),
            *(Watch(self._observed(rule, label)) for rule, label in labelled),
            Watch(lambda ids, scores, sources: self.settle()),
        ]

    def _observed(self, rule: Any, label: Any) -> Callable[[Any, Any, Any], Any]:
        def observed(ids: Any, scores: Any, sources: Any) -> Any:
            scores = _apply(rule, ids, scores, sources)
            self.observe(label, scores)
            return scores

        return observed

    def begin(self, ids: Any, scores: Any, sources: Any) -> None:
        """A step begins. Shapes: ids (r, t), scores (r, v) before any rule, sources (r,)."""
        rows, sources = _array(ids).astype(np.int64), _array(sources).tolist()
        self._scores = _array(scores)
        if self.prompt_length is None:
            self.prompt_length = rows.shape[1]
        number = rows.shape[1] - self.prompt_length
        self.steps += [{} for _ in range(number + 1 - len(self.steps))]
        written = [tuple(row) for row in rows[:, self.prompt_length :].tolist()]
        self._forget(number, set(sources))
        self._rows, seen_now = [], set()
        for row, (source, history) in enumerate(zip(sources, written, strict=True)):
            self.prompts.setdefault(source, tuple(t for t in rows[row, : self.prompt_length].tolist() if t >= 0))
            if history and (parent := self.steps[number - 1].get((source, history[:-1]))) is not None:
                parent.chance(history[-1])
            is_followed = (source, history) not in seen_now and not set(history) & set(self.eos)
            seen = Seen(row, self._scores[row].copy(), leading(self._scores[row])) if is_followed else None
            if seen is not None:
                seen_now.add((source, history))
                # Asked about once more, a row is judged anew: what came before was a draft's judgement.
                self.steps[number][source, history] = seen
            self._rows.append(seen)

    def observe(self, label: Any, scores: Any) -> None:
        """A rule was applied, which left `scores` (r, v)."""
        before, after = self._scores, _array(scores)
        could, can = ~np.isneginf(before), ~np.isneginf(after)
        banned = could & ~can
        changed = can & (before != after) & ~(np.isnan(before) & np.isnan(after))
        counts = np.stack([banned.sum(axis=1), changed.sum(axis=1), can.sum(axis=1)], axis=1).tolist()
        for row, (seen, numbers) in enumerate(zip(self._rows, counts, strict=True)):
            if seen is not None and (numbers[0] or numbers[1]):
                altered, left = np.flatnonzero(banned[row] | changed[row]), np.flatnonzero(can[row])
                tokens = _named(seen, altered, left, is_ban=numbers[0] > 0)
                touched = [_touch(seen, token, before[row, token], after[row, token]) for token in tokens]
                ranked = tuple(sorted(touched, key=lambda touch: touch.rank))
                seen.effects.append(_effect(label, numbers, ranked))
        self._scores = after

    def settle(self) -> None:
        """All rules were applied; a token is chosen next."""
        for seen, scores in zip(self._rows, self._scores, strict=True):
            if seen is not None and seen.raw is not None:
                seen.ruled, seen.after = scores.copy(), leading(scores)
                seen.possible = int((~np.isneginf(scores)).sum())
                # An output may end here: no next step would show what it ended with.
                tokens = {*self.eos, *(candidate.token for candidate in (*seen.before, *seen.after))}
                seen.chances |= chances_of(tokens, seen.raw, scores)

    def _forget(self, number: int, live: set[int]) -> None:
        """Scores are large: those of two steps ago are let go, but of sources that have just left."""
        for (source, _), seen in self.steps[number - 2].items() if number >= 2 else ():
            if source in live:
                seen.raw = seen.ruled = None

    # ---- the outcome ---------------------------------------------------------------------------------------------

    def finish(
        self, outputs: Sequence[Sequence[tuple[Sequence[int], FinishReason]]], sources: Sequence[int] | None = None
    ) -> Trace:
        """The trace of the outputs of each source: what was written behind the prompt, and why it ended.

        `sources` are their places as the rules are told them; 0, 1, 2 … unless given.
        """
        assert self.prompt_length is not None, "there is nothing to tell of a search that was not watched"
        least, most = length_bounds(self.options, self.prompt_length)
        of_least = "min_length" if self.options.min_new_tokens is None else "min_new_tokens"
        of_most = "max_length" if self.options.max_new_tokens is None else "max_new_tokens"
        places = range(len(outputs)) if sources is None else sources
        return Trace(
            tuple(
                self._output(source, place, tuple(map(int, ids)), reason)
                for source, of_source in zip(places, outputs, strict=True)
                for place, (ids, reason) in enumerate(of_source)
            ),
            Bound(least, of_least),
            Bound(most, of_most),
            self._start(),
            self.origins,
            self.prompt_length,
            self._scores.shape[1],
        )

    def _start(self) -> str | None:
        """The setting that says what the prompts begin with."""
        name = "bos_token_id" if self.options.decoder_start_token_id is None else "decoder_start_token_id"
        is_said = getattr(self.options, name) is not None
        return (
            name
            if is_said and all(prompt[:1] == (start_id(self.options),) for prompt in self.prompts.values())
            else None
        )

    def _output(self, source: int, place: int, ids: tuple[int, ...], reason: FinishReason) -> OutputTrace:
        seen = [step.get((source, ids[:length])) for length, step in enumerate(self.steps[: len(ids)])]
        steps = [
            self._step(number, each, ids[number - 1]) for number, each in enumerate(seen, start=1) if each is not None
        ]
        return OutputTrace(source, place, self.prompts[source], ids, tuple(steps), reason)

    def _step(self, number: int, seen: Seen, token: int) -> Step:
        chance = seen.chance(token)
        if seen.possible == 1:
            why = "only"
        elif self.options.do_sample:
            why = "drawn"
        elif chance is not None and chance.rank_left == 1:
            why = "best"
        else:
            why = "beam" if self.options.num_beams > 1 else "chosen"
        return Step(
            number,
            seen.row,
            token,
            why,
            rank=None if chance is None else chance.rank,
            probability=None if chance is None else chance.probability,
            probability_left=None if chance is None else chance.probability_left,
            before=seen.before,
            effects=tuple(seen.effects),
            after=seen.after,
        )


class Watch:
    """A rule of either kind of search that lets a tracer see the scores."""

    setting = "trace"

    def __init__(self, call: Callable[[Any, Any, Any], Any]) -> None:
        self.call = call

    def __call__(self, ids: Any, scores: Any, sources: Any) -> Any:
        """As a rule on tensors."""
        answer = self.call(ids, scores, sources)
        return scores if answer is None else answer

    about_source = __call__  # and as one of the definition


def _apply(rule: Any, ids: Any, scores: Any, sources: Any) -> Any:
    if hasattr(rule, "about_source"):
        return rule.about_source(ids, scores, sources)
    return rule(ids, scores) if isinstance(scores, np.ndarray) else rule(ids, scores, sources)


def _array(values: Any) -> npt.NDArray[Any]:
    """A copy as an array, from an array or a tensor on any device: what rules change in place must not change here."""
    if hasattr(values, "detach"):
        values = (values.detach().float() if values.is_floating_point() else values).cpu().numpy()
    return np.array(values)


def _effect(label: Any, counts: Sequence[int], touched: tuple[Touch, ...]) -> Effect:
    banned, changed, possible = counts
    name = label if isinstance(label, str) else type(label).__name__
    return Effect(str(getattr(label, "setting", name)), name, banned, changed, possible, touched)


def _named(seen: Seen, altered: npt.NDArray[Any], left: npt.NDArray[Any], is_ban: bool) -> list[int]:
    """The tokens a record of a rule names."""
    if is_ban and len(left) <= FEW:
        return [int(token) for token in left]
    if len(altered) <= FEW:
        return [int(token) for token in altered]
    several = set(altered.tolist())
    return [candidate.token for candidate in seen.before if candidate.token in several]


def _touch(seen: Seen, token: int, before: float, after: float) -> Touch:
    assert seen.raw is not None
    return Touch(
        token, rank(seen.raw, token), *(float(score) if np.isfinite(score) else None for score in (before, after))
    )
