"""Greedy search and sampling on the device. Definition: `search_rows` in generation/search.py."""

from __future__ import annotations

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE
from bartleby.backends.pytorch.decoding.task import BLOCKED, EOS, GOING_ON, LENGTH, STOPPED, Task, Written, padding_id


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
