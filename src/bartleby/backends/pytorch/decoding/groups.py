"""Diverse beam search on the device. Definition, which this must equal token by token: generation/groups.py.

Sources and beams of a group are one tensor; the groups of a step follow one another, because each looks at what those
before it wrote. No step waits for the device. Axis letters as in search.py; g beams of one group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.beams import Candidates, largest
from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE
from bartleby.backends.pytorch.decoding.task import BLOCKED, EOS, LENGTH, STOPPED, Task, Written, padding_id
from bartleby.generation.groups import UNLIKELY


class Group:
    """Some beams of every live source, and the outputs they have finished. A finished one not there yet scores -inf."""

    def __init__(self, task: Task, first: int, size: int) -> None:
        """`first`: the place of its first beam among all beams of a source."""
        self.task, self.first, self.size = task, first, size
        self.prompt_length = self.length = task.prompts.shape[1]
        self.pad = padding_id(task.options) or 0
        self.finished = Written.nothing(task, size)
        self.ids, self.trail = self.finished.ids.clone(), self.finished.trail.clone()
        self.scores = torch.full_like(self.finished.scores, UNLIKELY)
        self.scores[:, 0] = 0
        self.done = torch.zeros_like(task.prompts[:, 0], dtype=torch.bool)

    def written(self) -> Tensor:
        """What its beams have written, prompt included; (b, g, t)."""
        return self.ids[:, :, : self.length]

    def advance(self, scores: Tensor, rows_before: int) -> Tensor:
        """Write the next token after every beam; a settled source writes padding.

        Shapes: scores (b, g, v) -> the rows that go on, (b, g), of `rows_before` a source.
        """
        totals = self.totals(scores)
        found = self._candidates(totals)
        before = self._extended(found.beams[:, : self.size], found.tokens[:, : self.size], rows_before)
        self._finish_ends(found, before)
        chosen = self.chosen(found, totals)
        tokens = chosen.tokens.masked_fill(self.done[:, None], self.pad)
        self.ids, self.trail = self._extended(chosen.beams, tokens, rows_before)
        self.scores = chosen.scores
        self.length += 1
        self.done = self.done | self._is_decided(found.scores[:, 0])
        self._finish_stopped()
        return self._rows(chosen.beams, rows_before)

    def totals(self, scores: Tensor) -> Tensor:
        """The scores of the beams with each token added; (b, g, v)."""
        return scores + self.scores[:, :, None]

    def _candidates(self, totals: Tensor) -> Candidates:
        """Enough for g beams after every end token took its g."""
        best, places = largest(totals.flatten(1), max(2, 1 + len(self.task.eos)) * self.size)
        return Candidates(best, places // totals.shape[2], places % totals.shape[2])

    def chosen(self, found: Candidates, totals: Tensor) -> Candidates:
        """What becomes the beams: the best g of the candidates that do not end."""
        first = self.task.ends(found.tokens).byte().argsort(dim=1, stable=True)[:, : self.size]
        return Candidates(*(each.gather(1, first) for each in (found.scores, found.beams, found.tokens)))

    def _rows(self, beams: Tensor, rows_before: int) -> Tensor:
        """The places of these beams in the step's batch, where a source had `rows_before` rows; (b, k)."""
        places = torch.arange(len(beams), device=beams.device)[:, None]
        return places * rows_before + (self.first + beams).clamp(max=rows_before - 1)

    def _extended(self, beams: Tensor, tokens: Tensor, rows_before: int) -> tuple[Tensor, Tensor]:
        """Ids and trails of these beams with a token more; (b, k) -> two of (b, k, max_length)."""
        at = torch.arange(len(beams), device=beams.device)[:, None], beams
        ids, trail = self.ids[at], self.trail[at]
        ids[:, :, self.length] = tokens
        trail[:, :, self.length] = self._rows(beams, rows_before)
        return ids, trail

    def _finish_ends(self, found: Candidates, extended: tuple[Tensor, Tensor]) -> None:
        """Ends count only among the g best; where nothing is possible, the beams end as they stand."""
        ends = self.task.ends(found.tokens[:, : self.size]) & self.may_end(found.beams[:, : self.size])
        ended = self._output(extended, found.scores[:, : self.size].masked_fill(~ends, IMPOSSIBLE), EOS, written=1)
        self._finish(ended)
        possible = found.scores[:, :1] > IMPOSSIBLE
        if self.task.whole or not bool(possible.all()):  # where waiting costs something, it is not asked
            scores = self.scores.masked_fill(possible, IMPOSSIBLE)
            self.finish_open(self._output((self.ids, self.trail), scores, BLOCKED))

    def may_end(self, beams: Tensor) -> Tensor:
        """Which beams an end token may finish; (b, k) -> (b, k)."""
        return torch.ones_like(beams, dtype=torch.bool)

    def _finish_stopped(self) -> None:
        """Finish what has no more room or is told to stop, unless the source is settled."""
        is_full = self.length >= self.task.max_length
        if is_full or self.task.stops is not None:
            stopped = self.task.stopped(self.written())
            reasons = torch.where(stopped, STOPPED, LENGTH)
            ended = stopped | is_full
            self.finish_open(self._output((self.ids, self.trail), self.scores.masked_fill(~ended, IMPOSSIBLE), reasons))
            self.scores = self.scores.masked_fill(ended, IMPOSSIBLE)
        self.done = self.done | (self.scores == IMPOSSIBLE).all(dim=1)

    def finish_open(self, beams: Written) -> None:
        """Beams that cannot go on are finished as they stand."""
        self._finish(beams)

    def _output(
        self, sequences: tuple[Tensor, Tensor], scores: Tensor, reasons: Tensor | int, written: int = 0
    ) -> Written:
        """Ids and trails with sums of log-probabilities as outputs; `written`: how much longer they are than beams."""
        length = self.length - self.prompt_length + written
        return Written(
            sequences[0],
            torch.full_like(self.finished.lengths, length),
            self._normalized(scores.masked_fill(self.done[:, None], IMPOSSIBLE), length),
            self.finished.reasons.new_zeros(scores.shape) + reasons,
            sequences[1],
        )

    def _finish(self, outputs: Written) -> None:
        """Keep the g best of what was finished before and of these; of equals, the earlier."""
        self.finished = best_of(Written.joined([self.finished, outputs], dim=1), self.size)

    def _normalized(self, scores: Tensor, length: int) -> Tensor:
        return scores / float(max(length, 1) ** self.task.options.length_penalty)

    def _is_decided(self, best: Tensor) -> Tensor:
        """Whether no beam can displace a finished output any more, judged by the best candidate; (b,)."""
        options, worst = self.task.options, self.finished.scores[:, -1]
        if options.early_stopping is True:
            return worst > IMPOSSIBLE
        length = self.length - self.prompt_length
        if options.early_stopping == "never" and options.length_penalty > 0:
            length = self.task.max_length - self.prompt_length
        return (worst > IMPOSSIBLE) & (self._normalized(best, length) <= worst)

    def keep(self, sources: Tensor) -> None:
        """Go on with these of the live sources, (k,)."""
        self.ids, self.trail = self.ids[sources], self.trail[sources]
        self.scores, self.done = self.scores[sources], self.done[sources]
        self.finished = self.finished.of(sources)


class BeamGroups:
    """Diverse beam search, as a `State` of search.py: beams 0 to g - 1 of a source are its first group, and so on."""

    def __init__(self, task: Task, groups: Sequence[Group] | None = None) -> None:
        self.task = task
        self.silent = replace(task, listener=None)  # who listens hears of all groups at once
        self.sources = torch.arange(len(task.prompts), device=task.prompts.device)
        beams, size = task.options.num_beams, task.options.num_beams // task.options.num_beam_groups
        self.groups = groups or [Group(task, first, size) for first in range(0, beams, size)]
        self.is_first = True

    def written(self) -> Tensor:
        ids = torch.cat([group.written() for group in self.groups], dim=1)
        return (ids[:, :1] if self.is_first and not self.task.whole else ids).flatten(0, 1)

    def advance(self, logits: Tensor) -> Tensor:
        count, v = len(self.sources), logits.shape[1]
        rows_before = len(logits) // count
        used = logits.new_zeros(count, 1, v)  # how many beams of this step wrote each token
        scores, rows = [], []
        chosen = torch.zeros(count, self.task.options.num_beams, dtype=torch.long, device=logits.device)
        for index, (group, own) in enumerate(zip(self.groups, self._by_group(logits.log_softmax(dim=1)), strict=True)):
            if len(self.groups) > 1:  # by their published names, for callers' processors
                self.task.extras.update(current_tokens=chosen.flatten(), beam_group_idx=index)
            penalized = own - self.task.options.diversity_penalty * used
            ids = group.written()[:, : own.shape[1]].flatten(0, 1)
            ruled = self.silent.ruled(ids, penalized.flatten(0, 1), self.sources).view(count, -1, v)
            ruled = ruled.expand(count, group.size, v)
            rows.append(group.advance(ruled, rows_before))
            scores.append(ruled)
            tokens = group.written()[:, :, -1]
            chosen[:, group.first : group.first + group.size] = tokens
            used = used.scatter_add(2, tokens[:, None], torch.ones_like(ruled[:, :1, : group.size]))
        if self.task.listener is not None:
            self.task.listener.scored(torch.cat(scores, dim=1).flatten(0, 1))
        self.is_first = False
        return torch.cat(rows, dim=1)

    def _by_group(self, scores: Tensor) -> list[Tensor]:
        """(r, v) -> for each group (b, g, v), in the first step (b, 1, v): all its beams are still the same."""
        rows = scores.unflatten(0, (len(self.sources), -1))
        if rows.shape[1] == 1:
            return [rows] * len(self.groups)
        return list(rows.split(self.groups[0].size, dim=1))

    def settled(self) -> Tensor:
        return torch.stack([group.done for group in self.groups]).all(dim=0)

    def result(self) -> Written:
        """The best of all groups, of equals the later; where there are fewer, the last is repeated."""
        finished = Written.joined([group.finished for group in self.groups], dim=1)
        finished = finished.take(finished.scores.argsort(dim=1, stable=True).flip(1))
        there = (finished.scores > IMPOSSIBLE).sum(dim=1, keepdim=True)
        index = torch.arange(self.task.options.num_return_sequences, device=there.device)
        return finished.take(torch.minimum(index, (there - 1).clamp(min=0)))

    def keep(self, sources: Tensor) -> None:
        self.sources = self.sources[sources]
        for group in self.groups:
            group.keep(sources)


def best_of(outputs: Written, count: int) -> Written:
    """The `count` best of each source, of equals the earlier."""
    return outputs.take(outputs.scores.argsort(dim=1, descending=True, stable=True)[:, :count])
