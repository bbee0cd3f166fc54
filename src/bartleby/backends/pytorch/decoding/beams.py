"""Beam search on the device, all sources at once. Definition: generation/beams.py."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE
from bartleby.backends.pytorch.decoding.task import BLOCKED, EOS, GOING_ON, LENGTH, STOPPED, Task, Written

CHUNK = 64


@dataclass
class Candidates:
    """Ways to go on by one token, (b, c): the best, best first, or those drawn, as drawn. Of score -inf it is none."""

    scores: Tensor
    beams: Tensor
    tokens: Tensor


class Beams:
    """Beam search: each source keeps its n best unfinished outputs, until none can beat those it has finished.

    A beam or a finished output that is not there yet has the score -inf.
    """

    def __init__(self, task: Task) -> None:
        self.task, self.options = task, task.options
        self.prompt_length = self.length = task.prompts.shape[1]
        self.sources = torch.arange(len(task.prompts), device=task.prompts.device)
        self.finished = Written.nothing(task, task.options.num_beams)
        self.ids, self.trail = self.finished.ids.clone(), self.finished.trail.clone()
        self.scores = self.finished.scores.clone()
        self.scores[:, 0] = 0  # one beam: several alike would find the same candidates
        self.done = torch.zeros_like(self.sources, dtype=torch.bool)

    def written(self) -> Tensor:
        is_first = self.length == self.prompt_length and not self.task.whole
        return (self.ids[:, :1] if is_first else self.ids)[:, :, : self.length].flatten(0, 1)

    def advance(self, logits: Tensor) -> Tensor:
        found = self._candidates(logits)
        rows_before = len(logits) // len(self.sources)
        possible = found.scores > IMPOSSIBLE
        reasons = self._ends(found, rows_before)
        n = self.options.num_beams
        # An end counts only among the first n: the candidates behind them are there to go on with.
        ended = (possible & (reasons != GOING_ON))[:, :n]
        blocked = ~possible.any(dim=1)
        some = (True, True) if self.task.whole else torch.stack([ended.any(), blocked.any()]).tolist()
        if some[1]:
            self._finish((self.ids, self.trail), self.scores.masked_fill(~blocked[:, None], IMPOSSIBLE), BLOCKED)
        if some[0]:
            extended = self._extended(found.beams[:, :n], found.tokens[:, :n], rows_before)
            self._finish(extended, found.scores[:, :n].masked_fill(~ended, IMPOSSIBLE), reasons[:, :n], written=1)
        return self._go_on(found, possible & (reasons == GOING_ON), rows_before)

    def _ends(self, found: Candidates, rows_before: int) -> Tensor:
        """Why each candidate is the end of its beam, or that it is none; (b, c)."""
        is_full = self.length + 1 >= self.task.max_length
        reasons = torch.full_like(found.tokens, LENGTH if is_full else GOING_ON)
        if self.task.stops is not None:
            ids, _ = self._extended(found.beams, found.tokens, rows_before)
            reasons.masked_fill_(self.task.stopped(ids[:, :, : self.length + 1]), STOPPED)
        return reasons.masked_fill_(self.task.ends(found.tokens), EOS)

    def _candidates(self, logits: Tensor) -> Candidates:
        count, n, v = len(self.sources), self.options.num_beams, logits.shape[1]
        scores = self.task.ruled(self.written(), logits.log_softmax(dim=1), self.sources)
        totals = (scores.unflatten(0, (count, -1)) + self.scores[:, :, None]).flatten(1)  # (b, n·v)
        # Enough of them for n beams after every end token took its n.
        wanted = max(2, 1 + len(self.task.eos)) * n
        noise = None if self.task.noise is None else self.task.noise(self.sources, n, v).flatten(1)
        best, places = largest(totals if noise is None else totals + noise, wanted)
        scores = best if noise is None else totals.gather(1, places).masked_fill(best == IMPOSSIBLE, IMPOSSIBLE)
        return Candidates(scores, places // v, places % v)

    def _go_on(self, found: Candidates, goes_on: Tensor, rows_before: int) -> Tensor:
        """The best n candidates that go on become the beams; returns the rows they come from."""
        scores = found.scores.masked_fill(~goes_on, IMPOSSIBLE)
        first = scores.argsort(dim=1, descending=True, stable=True)[:, : self.options.num_beams]
        parents = found.beams.masked_fill(~goes_on, 0).gather(1, first)
        self.ids, self.trail = self._extended(parents, found.tokens.gather(1, first), rows_before)
        self.scores = scores.gather(1, first)
        self.length += 1
        places = torch.arange(len(parents), device=parents.device)[:, None]
        return places * rows_before + parents

    def _extended(self, beams: Tensor, tokens: Tensor, rows_before: int) -> tuple[Tensor, Tensor]:
        """Ids and trails of these beams with a token more; (b, k) -> two of (b, k, max_length)."""
        places = torch.arange(len(beams), device=beams.device)[:, None]
        ids, trail = self.ids[places, beams], self.trail[places, beams]
        ids[:, :, self.length] = tokens
        trail[:, :, self.length] = places * rows_before + beams
        return ids, trail

    def _finish(self, ended: tuple[Tensor, Tensor], scores: Tensor, reasons: Tensor | int, written: int = 0) -> None:
        """Keep the n best of what was finished before and of these; of equals, the earlier. `ended`: ids and trails."""
        length = self.length - self.prompt_length + written
        new = Written(
            ended[0],
            torch.full_like(self.finished.lengths, length),
            self._normalized(scores.masked_fill(self.done[:, None], IMPOSSIBLE), length),
            self.finished.reasons.new_zeros(scores.shape) + reasons,
            ended[1],
        )
        both = Written.joined([self.finished, new], dim=1)
        order = both.scores.argsort(dim=1, descending=True, stable=True)
        self.finished = both.take(order[:, : self.options.num_beams])

    def _normalized(self, scores: Tensor, length: int) -> Tensor:
        return scores / float(max(length, 1) ** self.options.length_penalty)

    def settled(self) -> Tensor:
        self.done = self.done | self._is_decided()
        return self.done

    def _is_decided(self) -> Tensor:
        """Whether no beam can displace a finished output any more, (b,)."""
        none_left = self.scores[:, 0] == IMPOSSIBLE
        worst = self.finished.scores[:, -1]
        if self.options.early_stopping is True:
            return none_left | (worst > IMPOSSIBLE)
        length = self.length - self.prompt_length
        if self.options.early_stopping == "never" and self.options.length_penalty > 0:
            length = self.task.max_length - self.prompt_length
        best = self._normalized(self.scores[:, 0], length)
        return none_left | ((worst > IMPOSSIBLE) & (best <= worst))

    def result(self) -> Written:
        """Where the rules left fewer different outputs than are asked for, the last is repeated."""
        there = (self.finished.scores > IMPOSSIBLE).sum(dim=1, keepdim=True)
        index = torch.arange(self.options.num_return_sequences, device=there.device)
        return self.finished.take(torch.minimum(index, (there - 1).clamp(min=0)))

    def keep(self, sources: Tensor) -> None:
        self.sources, self.scores, self.done = self.sources[sources], self.scores[sources], self.done[sources]
        self.ids, self.trail = self.ids[sources], self.trail[sources]
        self.finished = self.finished.of(sources)


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row, largest first, and their places; (b, w) -> two of (b, count).

    They lie in the `count` chunks with the largest maxima. One pass finds those, and only they are sorted: the
    vocabularies of ten beams are half a million numbers.
    """
    width = values.shape[1]
    if width <= 4 * count * CHUNK:
        best = values.topk(count)
        return best.values, best.indices
    if width % CHUNK:
        values = F.pad(values, (0, -width % CHUNK), value=IMPOSSIBLE)
    chunks = values.unflatten(1, (-1, CHUNK))
    promising = chunks.amax(dim=2).topk(count).indices  # (b, count)
    inside = chunks.take_along_dim(promising[:, :, None], dim=1).flatten(1)  # (b, count · CHUNK)
    best = inside.topk(count)
    places = promising.gather(1, best.indices // CHUNK) * CHUNK + best.indices % CHUNK
    return best.values, places.clamp(max=width - 1)  # of impossible ones, the place may lie in the padding
