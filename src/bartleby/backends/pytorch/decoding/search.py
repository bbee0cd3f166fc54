"""The search on the device: all sources and beams of a step as tensors, without a loop over rows.

It must equal, token by token, the plain code in generation/search.py and generation/beams.py; benchmarks/decoding.py
measures what it buys. Axis letters: b live sources, n rows of a source (beams or samples), r = b·n of them all,
c candidates, t tokens so far, v vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE, NO_TOKEN, Rule
from bartleby.generation.beams import FinishReason
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import eos_ids

REASONS: tuple[FinishReason, ...] = ("eos", "length", "blocked", "stopped")
EOS, LENGTH, BLOCKED, STOPPED = range(4)
GOING_ON = -1
NOT_WRITTEN = -1
CHUNK = 64


class Writer(Protocol):
    """A model with its encoded sources, and the rows that are being written for them."""

    def step(self, ids: Tensor) -> Tensor:
        """Read what is new in ids (r, t) and score what comes next: float32 logits (r, v), fresh in every step.

        r is first b, one row a source, and b·n after the first `reorder`; in a whole search it is always b·n.
        """

    def reorder(self, rows: Tensor) -> None:
        """Go on with copies of these rows (r,), in this order; a row may be taken twice or not at all."""

    def keep(self, sources: Tensor) -> None:
        """Forget all sources but these; their rows are dropped by `reorder`."""


class Noise(Protocol):
    """Gumbel noise: the largest of log-probability plus noise is a draw by probability (arXiv 1611.01144)."""

    def __call__(self, sources: Tensor, rows: int, width: int) -> Tensor:
        """Shapes: sources (b,), the places of the live ones -> (b, rows, width)."""


class SharedNoise:
    """From torch's global generator. Finished sources draw too, as they do in the published releases: equal seeds draw
    equal samples.
    """

    def __init__(self, sources: int) -> None:
        self.sources = sources

    def __call__(self, sources: Tensor, rows: int, width: int) -> Tensor:
        exponential = torch.empty(self.sources, rows, width, device=sources.device).exponential_()
        return exponential[sources].log_().neg_()


class SeededNoise:
    """From a generator for each source, so that what one draws does not depend on the others."""

    def __init__(self, seed: int | None, sources: Sequence[int], device: torch.device) -> None:
        """`sources`: the places of these sources in the whole batch."""
        children = np.random.SeedSequence(seed).spawn(max(sources, default=-1) + 1)
        seeds = [int(children[place].generate_state(1, np.uint64)[0] >> np.uint64(1)) for place in sources]
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, sources: Tensor, rows: int, width: int) -> Tensor:
        exponential = torch.empty(len(sources), rows, width, device=sources.device)
        for row, source in zip(exponential, sources.tolist(), strict=True):
            row.exponential_(generator=self.generators[source])
        return exponential.log_().neg_()


class Listener(Protocol):
    """Someone who follows a whole search step by step."""

    def scored(self, scores: Tensor) -> None:
        """What the rules made of the next token's scores, (r, v)."""

    def wrote(self, tokens: Tensor) -> None:
        """What was written, (r,)."""


@dataclass(frozen=True)
class Task:
    """What is to be written: one prompt a source, all of one length."""

    options: GenerationConfig
    rules: Sequence[Rule]
    prompts: Tensor
    """(b, t), the start token included."""
    max_length: int
    noise: Noise | None = None
    """When sampling."""
    padding: Tensor | None = None
    """Where prompts are padding, (b, t): to the rules nothing is written there."""
    whole: bool = False
    """Keep every row of every source from the first step to the last: for callers who count rows, and for devices that
    should not wait to learn which are finished."""
    pause: int = 1
    """Of a whole search: how many steps to take before asking the device whether everything is finished."""
    stops: Callable[[Tensor], Tensor] | None = None
    """What ends rows besides end tokens and length, told by their ids: (r, t) -> (r,) bool. Needs a whole search."""
    listener: Listener | None = None
    """Needs a whole search."""
    extras: dict[str, Any] = field(default_factory=dict)
    """What callers' processors may ask for besides ids and scores; kept up to date by the searches that have more."""

    def ruled(self, ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        """The scores after all rules. Shapes: ids (r, t), scores (r, v), changed in place, sources (b,) -> (r, v)."""
        rows = sources.repeat_interleave(len(ids) // len(sources))
        if self.padding is not None:
            ids = ids.clone()
            ids[:, : self.prompts.shape[1]].masked_fill_(self.padding[rows], NO_TOKEN)
        for rule in self.rules:
            scores = rule(ids, scores, rows)
        if self.listener is not None:
            self.listener.scored(scores)
        return scores

    @cached_property
    def eos(self) -> Tensor:
        """Every token that ends a sequence, (e,)."""
        return self.prompts.new_tensor(eos_ids(self.options))

    def ends(self, tokens: Tensor) -> Tensor:
        """Which of `tokens` end a sequence."""
        return (tokens[..., None] == self.eos).any(dim=-1)

    def stopped(self, ids: Tensor) -> Tensor:
        """Which sequences are told to stop; (b, k, t) -> (b, k)."""
        if self.stops is None:
            return torch.zeros(ids.shape[:2], dtype=torch.bool, device=ids.device)
        return self.stops(ids.flatten(0, 1)).unflatten(0, ids.shape[:2])


@dataclass
class Written:
    """Outputs of some sources. Shapes: ids and trail (b, n, max_length), prompt included; all others (b, n)."""

    ids: Tensor
    lengths: Tensor
    """Of what was written after the prompt; what stands behind it means nothing."""
    scores: Tensor
    reasons: Tensor
    """Why each ended, as places in REASONS."""
    trail: Tensor
    """With beams: the row of its step that each token was chosen for; NOT_WRITTEN in prompts and behind the end."""

    @classmethod
    def nothing(cls, task: Task, rows: int) -> Written:
        """Room for `rows` outputs of each source that hold only the prompt, with the score of impossible ones."""
        count, length = task.prompts.shape
        ids = task.prompts.new_zeros(count, rows, task.max_length)
        ids[:, :, :length] = task.prompts[:, None]
        zeros = task.prompts.new_zeros(count, rows)
        scores = torch.full_like(zeros, IMPOSSIBLE, dtype=torch.float32)
        return cls(ids, zeros, scores, zeros.clone(), torch.full_like(ids, NOT_WRITTEN))

    def columns(self) -> tuple[Tensor, ...]:
        """All fields, in order."""
        return self.ids, self.lengths, self.scores, self.reasons, self.trail

    def of(self, sources: Tensor) -> Written:
        """The outputs of these sources."""
        return Written(*(column[sources] for column in self.columns()))

    def take(self, index: Tensor) -> Written:
        """Of each source the outputs `index` (b, k)."""
        at = torch.arange(len(index), device=index.device)[:, None], index
        return Written(*(column[at] for column in self.columns()))

    @classmethod
    def joined(cls, parts: Sequence[Written], dim: int) -> Written:
        """Those of several, side by side (`dim` 1) or one below the other (0)."""
        return cls(*(torch.cat(column, dim) for column in zip(*(part.columns() for part in parts), strict=True)))


class State(Protocol):
    """The rows of all live sources."""

    sources: Tensor
    """(b,): their places in the task."""

    def written(self) -> Tensor:
        """What the writer reads next, (r, t): the prompts at first, then all rows."""

    def advance(self, logits: Tensor) -> Tensor | None:
        """Write the next token. Shapes: (r, v) -> the rows that go on, (b, n); None if they all do as they stand."""

    def settled(self) -> Tensor:
        """Which sources need not go on, (b,)."""

    def result(self) -> Written:
        """What the sources have come to, `num_return_sequences` each."""

    def keep(self, sources: Tensor) -> None:
        """Go on with these of the live sources, (k,)."""


def search(task: Task, writer: Writer) -> Written:
    """Write every source's outputs, in the order of the prompts."""
    state = state_of(task)
    return search_whole(task, writer, state) if task.whole else search_shrinking(writer, state)


def state_of(task: Task) -> State:
    """The rows before the first step, of the kind that the options ask for."""
    from bartleby.backends.pytorch.decoding.constrained import ConstrainedBeams  # built on what is here
    from bartleby.backends.pytorch.decoding.groups import BeamGroups

    options = task.options
    if options.constraints is not None or options.force_words_ids is not None:
        return ConstrainedBeams(task)
    if options.num_beam_groups > 1:
        return BeamGroups(task)
    return Beams(task) if options.num_beams > 1 else Rows(task)


def search_shrinking(writer: Writer, state: State) -> Written:
    """Finished sources leave the batch: least to compute, where asking which they are costs nothing."""
    places: list[Tensor] = []
    parts: list[Written] = []
    while True:
        logits = writer.step(state.written())
        rows = state.advance(logits)
        settled = state.settled()
        if bool(settled.any()):  # here a step waits for the device
            kept = (~settled).nonzero()[:, 0]
            places.append(state.sources[settled])
            parts.append(state.result().of(settled))
            if len(kept) == 0:
                return Written.joined(parts, dim=0).of(torch.cat(places).argsort())
            rows = torch.arange(len(logits), device=kept.device).view(len(settled), -1) if rows is None else rows
            rows = rows[kept]
            state.keep(kept)
            writer.keep(kept)
        if rows is not None:
            writer.reorder(rows.flatten())


def search_whole(task: Task, writer: Writer, state: State) -> Written:
    """All rows stay to the end: the same shapes in every step, and nothing that waits but the question at a pause."""
    most = task.max_length - task.prompts.shape[1]
    for step in range(1, most + 1):
        rows = state.advance(writer.step(state.written()))
        if task.listener is not None:
            task.listener.wrote(state.written()[:, -1])
        settled = state.settled()  # in every step: a settled source must stay as it is
        if step == most or (step % task.pause == 0 and bool(settled.all())):
            break
        if rows is not None:
            writer.reorder(rows.flatten())
    return state.result()


class Rows:
    """Greedy search and sampling: each row takes its best token, or draws one, until it ends."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.length = task.prompts.shape[1]
        self.sources = torch.arange(len(task.prompts), device=task.prompts.device)
        self.rows = Written.nothing(task, task.options.num_return_sequences)
        self.rows.scores.zero_()
        self.rows.reasons.fill_(GOING_ON)
        self.pad = padding_id(task.options)
        self.is_first = True

    def written(self) -> Tensor:
        ids = self.rows.ids[:, :1] if self.is_first and not self.task.whole else self.rows.ids
        return ids[:, :, : self.length].flatten(0, 1)

    def advance(self, logits: Tensor) -> Tensor | None:
        count, copies = self.rows.lengths.shape
        ruled = self.task.ruled(self.written(), logits.clone(), self.sources)
        scores = ruled.unflatten(0, (count, -1))  # (b, n, v), in the first step (b, 1, v)
        keys = scores
        if self.task.noise is not None:
            keys = scores + self.task.noise(self.sources, copies, logits.shape[1])
        tokens = keys.argmax(dim=2).expand(count, copies)
        possible = scores.expand(count, copies, -1).gather(2, tokens[:, :, None])[:, :, 0] > IMPOSSIBLE
        likely = (logits - logits.logsumexp(dim=1, keepdim=True)).unflatten(0, (count, -1)).expand(count, copies, -1)
        self._write(tokens, possible, likely.gather(2, tokens[:, :, None])[:, :, 0])
        was_first, self.is_first = self.is_first, False
        if not was_first or copies == 1 or self.task.whole:
            return None
        return torch.arange(count, device=logits.device)[:, None].expand(count, copies)

    def _write(self, tokens: Tensor, possible: Tensor, likely: Tensor) -> None:
        """Put the tokens at the end of the rows that have not ended, and say which end there; all (b, n)."""
        rows, goes_on = self.rows, self.rows.reasons == GOING_ON
        takes = goes_on & possible
        rows.ids[:, :, self.length] = tokens if self.pad is None else torch.where(goes_on, tokens, self.pad)
        rows.scores += likely.masked_fill(~takes, 0)
        rows.lengths += takes
        self.length += 1
        last = LENGTH if self.length >= self.task.max_length else GOING_ON
        reason = torch.full_like(rows.reasons, last)
        if self.task.stops is not None:
            reason.masked_fill_(self.task.stopped(rows.ids[:, :, : self.length]), STOPPED)
        reason.masked_fill_(self.task.ends(tokens), EOS).masked_fill_(~possible, BLOCKED)
        rows.reasons = torch.where(goes_on, reason, rows.reasons)

    def settled(self) -> Tensor:
        return (self.rows.reasons != GOING_ON).all(dim=1)

    def result(self) -> Written:
        return self.rows

    def keep(self, sources: Tensor) -> None:
        self.sources = self.sources[sources]
        self.rows = self.rows.of(sources)


@dataclass
class Candidates:
    """The best ways to go on by one token, best first; (b, c). An impossible one has the score -inf and is none."""

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
        # An end counts only among the n best: the candidates behind them are there to go on with.
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
        if self.task.noise is None:
            best, places = largest(totals, wanted)
        else:
            places = largest(totals + self.task.noise(self.sources, n, v).flatten(1), wanted)[1]
            best, order = totals.gather(1, places).sort(dim=1, descending=True, stable=True)
            places = places.gather(1, order)
        return Candidates(best, places // v, places % v)

    def _go_on(self, found: Candidates, goes_on: Tensor, rows_before: int) -> Tensor:
        """The best n candidates that go on become the beams; returns the rows they come from."""
        first = (~goes_on).byte().argsort(dim=1, stable=True)[:, : self.options.num_beams]
        scores = found.scores.masked_fill(~goes_on, IMPOSSIBLE)
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


def padding_id(options: GenerationConfig) -> int | None:
    """What stands behind the end of an output: the pad token, or else the first end token."""
    return next((each for each in (options.pad_token_id, *eos_ids(options)) if each is not None), None)


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
