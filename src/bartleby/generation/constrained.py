"""Constrained beam search: outputs that contain what `constraints` and `force_words_ids` ask for.

A beam search in which an output may end only when it contains everything, and beams are chosen by progress as well as
by score (`banks.py`). Outputs are those of 4.37, the last release that has this, at the limits too:
- Where the length ends before as many beams as are asked for contain everything, the others are ranked with them.
- A constraint may lead where a rule forbids to go. It goes there, with a score below all others.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bartleby.generation.banks import Follower, check_steps, steps_of
from bartleby.generation.beams import BeamOptions, Candidate, Hypothesis
from bartleby.generation.constraints import constraints_of
from bartleby.generation.groups import Group, best_candidates, best_of_groups, ending, is_settled, keep_best, outputs
from bartleby.generation.rules import Scores, apply_rules, log_softmax
from bartleby.generation.task import Generated, Task

FORBIDDEN = np.float32(-1e30)
"""The score of what a rule forbids: below every other, and still one to be ranked."""


class Options(BeamOptions):
    """Forbidden outputs of different lengths are all alike."""

    def normalized(self, score: np.float32, length: int) -> np.float32:
        return score if score == FORBIDDEN else super().normalized(score, length)


def search_constrained(task: Task) -> Generated:
    """Each source keeps beams that are likely and beams that get on with the constraints."""
    n = task.options.num_beams
    options = Options.of(task.options, task.prompts.shape[1], task.max_length)
    follower = Follower(constraints_of(task.options.constraints, task.options.force_words_ids))
    states = [Group.start(prompt, n) for prompt in task.prompts]
    live, tokens = list(range(len(states))), np.repeat(task.prompts, n, axis=0)
    task.decoder.start(np.repeat(task.sources, n))
    while live:
        ids = np.concatenate([states[place].ids for place in live])
        scores = log_softmax(task.decoder.step(tokens).astype(np.float32, copy=False))
        ruled = np.split(apply_rules(task.rules, ids, scores, np.repeat(task.sources[live], n)), len(live))
        rows: list[int] = []
        written: list[int] = []
        for first, (place, own) in enumerate(zip(live, ruled, strict=True)):
            totals = np.maximum(own + states[place].scores[:, None], FORBIDDEN)
            going_on = advance(states[place], totals, options, follower, task.options.num_return_sequences)
            if not states[place].done:
                rows += [n * first + one.beam for one in going_on]
                written += [one.token for one in going_on]
        live = [place for place in live if not states[place].done]
        task.decoder.reorder(np.array(rows, dtype=np.int64))
        tokens = np.array(written, dtype=np.int64)[:, None]
    return [best_of(state, task.options.num_return_sequences) for state in states]


def advance(state: Group, totals: Scores, options: BeamOptions, follower: Follower, wanted: int) -> list[Candidate]:
    """Finish what ends and contains everything, and write one token after every beam.

    Shapes: totals (n, v), the scores of the beams with each token added.
    """
    beams = state.ids.tolist()
    states = [follower.state(ids) for ids in beams]
    is_fulfilled = [each.completed for each in states]
    steps = steps_of(states)
    check_steps([steps], vocabulary=totals.shape[1])
    found = best_candidates(totals, options.candidates)
    for one in found[: options.beams]:
        if one.token in options.eos and is_fulfilled[one.beam]:
            keep_best(state.finished, [ending(state, one, options)], options)
    likely = [one for one in found if one.token not in options.eos][: options.beams]
    going_on = follower.chosen(beams, states, likely, [Candidate(totals[step], *step) for step in steps])
    state.write(going_on)
    state.done = is_settled(state, found[0].score, options)
    if not state.done and state.ids.shape[1] >= options.max_length:
        _finish_open(state, options, follower, wanted)
        state.done = True
    return going_on


def _finish_open(state: Group, options: BeamOptions, follower: Follower, wanted: int) -> None:
    """There is no more room: finish beams that contain everything, and the others if those are fewer than `wanted`."""
    parts: dict[bool, list[Hypothesis]] = {True: [], False: []}
    for ids, output in zip(state.ids.tolist(), outputs(state, "length", options), strict=True):
        parts[follower.is_fulfilled(ids)].append(output)
    keep_best(state.finished, parts[True], options)
    if len(parts[True]) < wanted:
        keep_best(state.finished, parts[False], options)


def best_of(state: Group, count: int) -> list[Hypothesis]:
    """The `count` best; what a rule forbids is impossible after all."""
    found = best_of_groups([state], count)
    return [replace(one, score=-math.inf) if one.score == FORBIDDEN else one for one in found]
