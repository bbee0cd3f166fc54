"""The readable loop: from a decoder that scores the next token to finished outputs. The definition of every search.

A decoder holds the rows being written; the loop asks it for scores, applies the rules, chooses, and tells it which rows
go on. Sources do not see each other: a finished one leaves the batch, and the others go on as if it had never been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bartleby.generation.beams import BeamOptions, Beams, FinishReason, Hypothesis, advance, find_candidates, is_settled
from bartleby.generation.config import GenerationConfig
from bartleby.generation.constrained import search_constrained
from bartleby.generation.groups import search_groups
from bartleby.generation.resolution import eos_ids, length_bounds, start_id
from bartleby.generation.rules import Scores, apply_rules, log_softmax, rules_for
from bartleby.generation.task import Decoder, Generated, Task


def generate(
    decoder: Decoder,
    options: GenerationConfig,
    sources: Sequence[Sequence[int]],
    *,
    prompts: Sequence[Sequence[int]] | None = None,
    seed: int | None = None,
) -> Generated:
    """Decode every source by greedy search, sampling, beam search or sampled beams, as `options` say.

    `sources` are the ids the decoder has encoded, unpadded. `prompts` are what each output begins with, unpadded too;
    the start token is put before those that lack it. The same `seed` draws the same samples.
    Raises: OptionError if there is no start token or a prompt leaves no room.
    """
    results: Generated = [[] for _ in sources]
    search = search_of(options)
    for task in _tasks(decoder, options, sources, whole_prompts(options, prompts, len(sources)), seed):
        for source, hypotheses in zip(task.sources, search(task), strict=True):
            results[source] = hypotheses
    return results


def search_of(options: GenerationConfig) -> Callable[[Task], Generated]:
    """The search that the options ask for."""
    if options.constraints is not None or options.force_words_ids is not None:
        return search_constrained
    if options.num_beam_groups > 1:
        return search_groups
    return search_beams if options.num_beams > 1 else search_rows


def whole_prompts(options: GenerationConfig, prompts: Sequence[Sequence[int]] | None, count: int) -> list[list[int]]:
    """What each of `count` outputs begins with, the start token put before those that lack it."""
    start = start_id(options)
    return [list(prompt) if [*prompt[:1]] == [start] else [start, *prompt] for prompt in prompts or [[]] * count]


def _tasks(
    decoder: Decoder,
    options: GenerationConfig,
    sources: Sequence[Sequence[int]],
    prompts: list[list[int]],
    seed: int | None,
) -> Iterator[Task]:
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(len(sources))]
    for length in sorted({len(prompt) for prompt in prompts}):
        members = [source for source, prompt in enumerate(prompts) if len(prompt) == length]
        _, max_length = length_bounds(options, length)
        yield Task(
            decoder,
            options,
            rules_for(options, length, sources),
            np.array(members, dtype=np.int64),
            np.array([prompts[source] for source in members], dtype=np.int64),
            max_length,
            tuple(streams[source] for source in members) if options.do_sample else None,
        )


@dataclass
class Row:
    """One output being written by greedy search or sampling."""

    place: int
    """Of its source in the task."""
    ids: list[int]
    score: float = 0.0
    end: FinishReason | None = None

    def hypothesis(self, prompt_length: int) -> Hypothesis:
        assert self.end is not None
        return Hypothesis(tuple(self.ids[prompt_length:]), self.score, self.end)


def search_rows(task: Task) -> Generated:
    """Greedy search and sampling: each row takes its best token, or draws one, until it ends."""
    copies = task.options.num_return_sequences
    rows = [Row(place, prompt.tolist()) for place, prompt in enumerate(task.prompts) for _ in range(copies)]
    going_on = rows
    task.decoder.start(task.sources[[row.place for row in rows]])
    tokens = np.array([row.ids for row in rows])
    while going_on:
        logits = task.decoder.step(tokens).astype(np.float32, copy=False)
        ids = np.array([row.ids for row in going_on])
        scores = apply_rules(task.rules, ids, logits, task.sources[[row.place for row in going_on]])
        chosen = [choose(task, row, choices) for row, choices in zip(going_on, scores, strict=True)]
        for row, token, choices, likely in zip(going_on, chosen, scores, log_softmax(logits), strict=True):
            write(task, row, token, bool(np.isfinite(choices[token])), likely[token])
        kept = [index for index, row in enumerate(going_on) if row.end is None]
        going_on = [going_on[index] for index in kept]
        tokens = np.array([row.ids[-1:] for row in going_on], dtype=np.int64)
        task.decoder.reorder(np.array(kept, dtype=np.int64))
    finished = [row.hypothesis(task.prompts.shape[1]) for row in rows]
    return [finished[first : first + copies] for first in range(0, len(finished), copies)]


def choose(task: Task, row: Row, scores: Scores) -> int:
    """The best token, or when sampling one drawn by its probability."""
    if task.streams is None:
        return int(scores.argmax())
    # The largest of log-probability + Gumbel noise is such a draw, and needs no probabilities worked out.
    return int((scores + task.streams[row.place].gumbel(size=scores.shape)).argmax())


def write(task: Task, row: Row, token: int, is_possible: bool, log_probability: np.float32) -> None:
    """Put `token` at the end of `row`, and say if it ends there."""
    if not is_possible:
        row.end = "blocked"
        return
    row.ids.append(token)
    row.score += float(log_probability)
    if token in eos_ids(task.options):
        row.end = "eos"
    elif len(row.ids) >= task.max_length:
        row.end = "length"


def search_beams(task: Task) -> Generated:
    """Beam search: each source keeps its few best unfinished outputs, until none can beat those it has finished."""
    options = BeamOptions.of(task.options, task.prompts.shape[1], task.max_length)
    states = [Beams.start(prompt) for prompt in task.prompts]
    live = list(range(len(states)))
    tokens = task.prompts
    task.decoder.start(task.sources)
    while live:
        ids = np.concatenate([states[place].ids for place in live])  # (rows, t): the beams of all live sources
        beams = [len(states[place].scores) for place in live]
        log_probabilities = log_softmax(task.decoder.step(tokens).astype(np.float32, copy=False))
        scores = apply_rules(task.rules, ids, log_probabilities, np.repeat(task.sources[live], beams))
        rows: list[int] = []
        written: list[int] = []
        still_live = []
        for place, first, count in zip(live, np.cumsum([0, *beams]), beams, strict=False):
            totals = scores[first : first + count] + states[place].scores[:, None]
            stream = task.streams[place] if task.streams else None
            going_on = advance(states[place], find_candidates(totals, options.candidates, stream), options)
            if not is_settled(states[place], options):
                still_live.append(place)
                rows += [first + candidate.beam for candidate in going_on]
                written += [candidate.token for candidate in going_on]
        live, tokens = still_live, np.array(written, dtype=np.int64)[:, None]
        task.decoder.reorder(np.array(rows, dtype=np.int64))
    return [best_of(state, task.options.num_return_sequences) for state in states]


def best_of(state: Beams, count: int) -> list[Hypothesis]:
    """The `count` best hypotheses; where the rules left fewer different ones, the last is repeated."""
    finished = state.finished[:count]
    return finished + finished[-1:] * (count - len(finished))
