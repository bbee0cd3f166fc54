"""Diverse beam search: a source's beams in groups that are searched one after the other, each apart from those before.

In every step a group likes a token less for each beam of an earlier group that has just written it. Apart from that a
group is a beam search of its own; all groups' hypotheses are ranked together. Endings are those of 4.37, the last
release that has this: a group is settled by comparing the best candidate of the step, end tokens included.
Source: Vijayakumar et al. 2016 (arXiv 1610.02424), with Hamming diversity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bartleby.generation.beams import BeamOptions, Candidate, FinishReason, Hypothesis
from bartleby.generation.rules import Ids, Scores, apply_rules, log_softmax
from bartleby.generation.task import Generated, Task

UNLIKELY = -1e9
"""The score of all but one of a group's first, equal beams: they go on only where too few tokens are allowed."""


@dataclass
class Group:
    """Some beams of one source: ids (g, t), prompt included, and scores (g,)."""

    ids: Ids
    scores: Scores
    finished: list[Hypothesis] = field(default_factory=list)
    """The best g so far, best first."""
    done: bool = False

    @classmethod
    def start(cls, prompt: Ids, size: int) -> Group:
        scores = np.full(size, UNLIKELY, dtype=np.float32)
        scores[0] = 0
        return cls(np.repeat(prompt[None], size, axis=0), scores)

    def write(self, chosen: Sequence[Candidate]) -> None:
        """These become the beams."""
        self.ids = np.array([[*self.ids[one.beam], one.token] for one in chosen], dtype=np.int64)
        self.scores = np.array([one.score for one in chosen], dtype=np.float32)


def search_groups(task: Task) -> Generated:
    """Each source's groups write a token in turn, until all of them are settled."""
    beams, size = task.options.num_beams, task.options.num_beams // task.options.num_beam_groups
    options = replace(BeamOptions.of(task.options, task.prompts.shape[1], task.max_length), beams=size)
    groups = [[Group.start(prompt, size) for _ in range(0, beams, size)] for prompt in task.prompts]
    live, tokens = list(range(len(groups))), np.repeat(task.prompts, beams, axis=0)
    task.decoder.start(np.repeat(task.sources, beams))
    while live:
        scores = log_softmax(task.decoder.step(tokens).astype(np.float32, copy=False))
        written = [
            candidate
            for place, own in zip(live, np.split(scores, len(live)), strict=True)
            for candidate in _advance_source(task, groups[place], own, task.sources[[place] * size], options)
        ]
        going_on = np.repeat([not all(group.done for group in groups[place]) for place in live], beams)
        live = [place for place in live if not all(group.done for group in groups[place])]
        parents = np.arange(len(written)) // beams * beams + [candidate.beam for candidate in written]
        task.decoder.reorder(parents[going_on])
        tokens = np.array([candidate.token for candidate in written], dtype=np.int64)[going_on, None]
    return [best_of_groups(own, task.options.num_return_sequences) for own in groups]


def _advance_source(
    task: Task, groups: Sequence[Group], scores: Scores, sources: Ids, options: BeamOptions
) -> list[Candidate]:
    """What each beam of a source writes, counting the beams over all groups."""
    chosen: list[Candidate] = []
    for group, own in zip(groups, np.split(scores, len(groups)), strict=True):
        first = len(chosen)
        used = np.bincount([one.token for one in chosen], minlength=own.shape[1])
        penalized = own - np.float32(task.options.diversity_penalty) * used.astype(np.float32)
        ruled = apply_rules(task.rules, group.ids, penalized, sources)
        going_on = advance(group, ruled + group.scores[:, None], options, task.options.pad_token_id)
        chosen += [one._replace(beam=first + one.beam) for one in going_on]
    return chosen


def advance(group: Group, totals: Scores, options: BeamOptions, pad: int | None) -> list[Candidate]:
    """Finish what ends, and write one token after every beam; a settled group writes padding.

    Shapes: totals (g, v), the scores of the beams with each token added.
    """
    if group.done:
        filler = next((token for token in (pad, *options.eos) if token is not None), 0)
        return [Candidate(score, 0, filler) for score in group.scores]
    found = best_candidates(totals, options.candidates)
    if not np.isfinite(found[0].score):
        keep_best(group.finished, outputs(group, "blocked", options), options)
    # An end counts only among the g best: the candidates behind them are there to go on with.
    ended = [ending(group, one, options) for one in found[: options.beams] if one.token in options.eos]
    keep_best(group.finished, ended, options)
    going_on = [one for one in found if one.token not in options.eos][: options.beams]
    group.write(going_on)
    group.done = is_settled(group, found[0].score, options)
    if not group.done and group.ids.shape[1] >= options.max_length:
        keep_best(group.finished, outputs(group, "length", options), options)
        group.done = True
    return going_on


def best_candidates(totals: Scores, count: int) -> list[Candidate]:
    """The best `count` of all candidates, best first, impossible ones behind: every beam goes on with something."""
    best = np.argsort(-totals.ravel(), kind="stable")[:count]
    return [Candidate(totals.flat[place], *divmod(int(place), totals.shape[1])) for place in best]


def ending(group: Group, candidate: Candidate, options: BeamOptions) -> Hypothesis:
    """The output that ends with this candidate."""
    ids = (*group.ids[candidate.beam, options.prompt_length :].tolist(), candidate.token)
    return Hypothesis(ids, float(options.normalized(candidate.score, len(ids))), "eos")


def outputs(group: Group, reason: FinishReason, options: BeamOptions) -> list[Hypothesis]:
    """The beams as outputs, as they stand."""
    rows = group.ids[:, options.prompt_length :].tolist()
    return [
        Hypothesis(tuple(row), float(options.normalized(score, len(row))), reason)
        for row, score in zip(rows, group.scores, strict=True)
    ]


def keep_best(finished: list[Hypothesis], new: Sequence[Hypothesis], options: BeamOptions) -> None:
    """Put those of `new` that are possible among the finished, and keep the g best; of equals, the earlier."""
    finished += [one for one in new if np.isfinite(one.score)]
    finished.sort(key=lambda one: -one.score)
    del finished[options.beams :]


def is_settled(group: Group, best: np.float32, options: BeamOptions) -> bool:
    """Whether no beam is left, or none is expected to displace a hypothesis; `best`: the step's best candidate."""
    if not np.isfinite(group.scores).any():
        return True
    if len(group.finished) < options.beams:
        return False
    if options.early_stopping is True:
        return True
    length = group.ids.shape[1] - options.prompt_length
    if options.early_stopping == "never" and options.length_penalty > 0:
        length = options.max_length - options.prompt_length
    return float(options.normalized(best, length)) <= group.finished[-1].score


def best_of_groups(groups: Sequence[Group], count: int) -> list[Hypothesis]:
    """The `count` best of all groups, of equals the later; where there are fewer, the last is repeated."""
    finished = [one for group in groups for one in group.finished]
    found = sorted(finished, key=lambda one: one.score)[::-1][:count]
    return found + found[-1:] * (count - len(found))
