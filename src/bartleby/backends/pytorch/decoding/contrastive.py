"""Contrastive search: of the few likeliest tokens, the one that says something new (arXiv 2202.06417).

What a candidate is worth is its probability, less its likeness to what was said before: the greatest cosine between its
state and that of any earlier token. To have a state it must be read, so each step reads `top_k` candidates of each row
and forgets all but one. Ids equal those of transformers 4.37.2, the last release with this search.

Axis letters as in search.py; here one row a source, so r = b, with k candidates each; d model.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bartleby.backends.pytorch.decoding.lookahead import Decoded, ModelReader
from bartleby.backends.pytorch.decoding.rows import Rows
from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE
from bartleby.backends.pytorch.decoding.search import search_shrinking, search_whole
from bartleby.backends.pytorch.decoding.task import Task, Written
from bartleby.errors import LengthError, OptionError


def contrastive_search(task: Task, reader: ModelReader) -> Written:
    """Write every source's output, in the order of the prompts.

    Raises: OptionError if some tokens were read by an earlier call: their states are not in the cache. LengthError if
        the model has no position for the last token, which is read here before it is taken.
    """
    positions = reader.model.config.max_position_embeddings - reader.unnamed
    if task.max_length > positions:
        raise LengthError(
            f"In contrastive search the output must be at most {positions} tokens long, for this model has no more "
            f"positions, but could become {task.max_length}. Lower `max_length` or `max_new_tokens`."
        )
    if reader.known > 0:
        raise OptionError("Contrastive search compares states with all earlier ones. Leave out `past_key_values`.")
    ahead = (OneByOne if task.options.low_memory else Together)(reader)
    rows = Contrast(task, ahead)
    written = search_whole(task, ahead, rows) if task.whole else search_shrinking(ahead, rows)
    reader.crop(rows.length - 1)  # as after any other search, the last token counts as not read
    return written


class Contrast(Rows):
    """Rows that look at every candidate before they take one."""

    def __init__(self, task: Task, ahead: Ahead) -> None:
        super().__init__(task)
        self.ahead = ahead
        self.context: Tensor | None = None

    def advance(self, logits: Tensor) -> None:
        """As `State.advance`; all rows go on as they stand."""
        ids = self.written()
        scores = self.task.ruled(ids, logits.clone(), self.sources)
        likely, candidates = scores.softmax(dim=1).topk(min(self.task.options.top_k, scores.shape[1]))
        if self.context is None:
            self.context = self._prompted()
        states = self.ahead.look(ids, candidates)
        choice = most_worthwhile(likely, states, self.context, self.task.options.penalty_alpha or 0.0)
        self.ahead.take(choice)
        self.context = torch.cat([self.context, states.take_along_dim(choice[:, :, None], dim=1)], dim=1)
        tokens = candidates.gather(1, choice)
        possible = scores.amax(dim=1, keepdim=True) > IMPOSSIBLE
        self._write(tokens, possible, logits.log_softmax(dim=1).gather(1, tokens))

    def _prompted(self) -> Tensor:
        """The directions of the prompts, (b, t, d). Padding says nothing, so the last token stands in its place."""
        context, mask = directions(self.ahead.decoded), self.ahead.reader.prompt_mask
        return context if mask is None else torch.where(mask[:, :, None] == 0, context[:, -1:], context)

    def keep(self, sources: Tensor) -> None:
        super().keep(sources)
        self.context = None if self.context is None else self.context[sources]


def most_worthwhile(likely: Tensor, states: Tensor, context: Tensor, alpha: float) -> Tensor:
    """The place of the best candidate. Shapes: likely (b, k); directions (b, k, d) and (b, t, d) -> (b, 1).

    As published, a token that the rules forbid is worth little, yet it can be chosen where they leave fewer than k.
    """
    likeness = (states @ context.transpose(1, 2)).amax(dim=2)  # (b, k, t) -> (b, k)
    return ((1 - alpha) * likely - alpha * likeness).argmax(dim=1, keepdim=True)


def directions(decoded: Decoded) -> Tensor:
    """States as unit vectors in float32, so that products are cosines; (r, t, d)."""
    assert decoded.last_hidden_state is not None
    return F.normalize(decoded.last_hidden_state.float(), dim=2)


def picked(decoded: Decoded, rows: Tensor) -> Decoded:
    """What the decoder made of some of its rows."""

    def of(states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...] | None:
        return None if states is None else tuple(state[rows] for state in states)

    assert decoded.last_hidden_state is not None
    return Decoded(
        decoded.last_hidden_state[rows],
        decoded.past_key_values,
        of(decoded.hidden_states),
        of(decoded.attentions),
        of(decoded.cross_attentions),
    )


class Ahead:
    """A writer that has read the next token before it is asked to: `look` at candidates, then `take` one."""

    def __init__(self, reader: ModelReader) -> None:
        self.reader = reader
        self.decoded = Decoded()

    def step(self, ids: Tensor) -> Tensor:
        """As `Writer.step`; only the prompt is read here."""
        if self.decoded.last_hidden_state is None:
            self.decoded = self.reader.look(ids)
        assert self.decoded.last_hidden_state is not None
        logits = self.reader.score(self.decoded.last_hidden_state[:, -1])
        self.reader.saw(logits, self.decoded)
        return logits

    def look(self, ids: Tensor, candidates: Tensor) -> Tensor:
        """The directions that tokens would take; ids (b, t), candidates (b, k) -> (b, k, d)."""
        raise NotImplementedError

    def take(self, choice: Tensor) -> None:
        """Go on with one candidate of each row, given by its place (b, 1)."""
        raise NotImplementedError

    def reorder(self, rows: Tensor) -> None:
        """As `Writer.reorder`."""
        self.reader.reorder(rows)
        self.decoded = picked(self.decoded, rows)

    def keep(self, sources: Tensor) -> None:
        """As `Writer.keep`."""
        self.reader.keep(sources)


class Together(Ahead):
    """All candidates in one pass, for k times the memory of the rows."""

    def look(self, ids: Tensor, candidates: Tensor) -> Tensor:
        count, k = candidates.shape
        rows = torch.arange(count, device=ids.device).repeat_interleave(k)  # (b·k,)
        self.reader.reorder(rows)
        self.decoded = self.reader.look(torch.cat([ids[rows], candidates.flatten()[:, None]], dim=1))
        return directions(self.decoded)[:, -1].unflatten(0, (count, k))

    def take(self, choice: Tensor) -> None:
        assert self.decoded.last_hidden_state is not None
        each = len(self.decoded.last_hidden_state) // len(choice)
        self.reorder(torch.arange(len(choice), device=choice.device) * each + choice[:, 0])


class OneByOne(Ahead):
    """One candidate after the other, and the one that is taken once more: k + 1 passes, and no more memory."""

    ways: tuple[Tensor, ...] = ()
    """The rows with each candidate behind them, (b, t + 1) each."""

    def look(self, ids: Tensor, candidates: Tensor) -> Tensor:
        self.ways = tuple(torch.cat([ids, column[:, None]], dim=1) for column in candidates.unbind(dim=1))
        states = []
        for way in self.ways:
            states.append(directions(self.reader.look(way))[:, -1])
            self.reader.crop(ids.shape[1])
        return torch.stack(states, dim=1)

    def take(self, choice: Tensor) -> None:
        ways = torch.stack(self.ways, dim=1)  # (b, k, t + 1)
        self.decoded = self.reader.look(ways.take_along_dim(choice[:, :, None], dim=1)[:, 0])
