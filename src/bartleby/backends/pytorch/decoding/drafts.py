"""Who writes ahead in assisted decoding: a smaller model, or the texts at hand. Checked by assisted.py."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.assisted import Proposal
from bartleby.backends.pytorch.decoding.lookahead import ModelReader
from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE
from bartleby.backends.pytorch.decoding.task import Task
from bartleby.generation.config import GenerationConfig
from bartleby.generation.faults import is_set


class ModelDraft:
    """A smaller model of the same vocabulary (arXiv 2211.17192). It follows the same rules, as far as they are ours."""

    def __init__(self, reader: ModelReader, task: Task, place: int, pace: Pace) -> None:
        """`task` is that of the model it writes for, without the caller's own processors."""
        self.reader, self.task, self.pace = reader, replace(task, listener=None), pace
        self.sources = torch.tensor([place], device=task.prompts.device)

    def propose(self, ids: Tensor, most: int) -> Proposal:
        """As `Draft.propose`; stops behind an end, or behind a token that it was not sure of."""
        positions = self.reader.model.config.max_position_embeddings
        most = min(most, self.pace.count, positions + 1 - ids.shape[1])
        self.reader.crop(ids.shape[1] - 1)  # behind them it may have read what was rejected
        tokens: list[Tensor] = []
        drawn_from: list[Tensor] = []
        while len(tokens) < most:
            scores = self._scores(ids)
            token = (scores if self.task.noise is None else scores + self._noise(scores)).argmax(dim=1)
            if not bool(scores[0, token] > IMPOSSIBLE):
                break
            tokens.append(token)
            drawn_from.append(scores)
            ids = torch.cat([ids, token[:, None]], dim=1)
            if bool(self.task.ends(token)) or not self.pace.is_sure(scores, token):
                break
        if not tokens:
            return Proposal(ids.new_zeros(0))
        return Proposal(torch.cat(tokens), torch.cat(drawn_from))

    def learn(self, proposed: int, accepted: int) -> None:
        """As `Draft.learn`."""
        if proposed > 0:
            self.pace.learn(is_right=proposed == accepted)

    def _scores(self, ids: Tensor) -> Tensor:
        decoded = self.reader.look(ids.to(self.reader.model.device))
        assert decoded.last_hidden_state is not None
        scores = self.reader.score(decoded.last_hidden_state[:, -1])
        return self.task.ruled(ids, scores.to(ids.device), self.sources)

    def _noise(self, scores: Tensor) -> Tensor:
        assert self.task.noise is not None
        return self.task.noise(self.sources, 1, scores.shape[1])[0]


class LookupDraft:
    """What followed the last few tokens when they stood before, in the source or in what is written (prompt lookup).

    A summary copies from its source and a text repeats its names: finding them costs nothing.
    """

    def __init__(self, source: Tensor | None, options: GenerationConfig) -> None:
        """`source`: its ids (s,), unpadded, where it is not what is being written on."""
        self.source = source
        self.count = options.prompt_lookup_num_tokens or 0
        self.longest = options.max_matching_ngram_size or 2

    def propose(self, ids: Tensor, most: int) -> Proposal:
        """As `Draft.propose`: the longest match counts, then the source, then the latest place."""
        written = ids[0]
        texts = [written] if self.source is None else [self.source, written]
        for size in range(min(self.longest, len(written)), 0, -1):
            for text in texts:
                places = following(text, written[-size:])
                if len(places) > 0:
                    first = int(places[-1])
                    return Proposal(text[first : first + min(self.count, most)])
        return Proposal(written[:0])

    def learn(self, proposed: int, accepted: int) -> None:
        """As `Draft.learn`; there is nothing to learn."""


def following(text: Tensor, gram: Tensor) -> Tensor:
    """Where something follows `gram` (n,) in `text` (t,), in order."""
    if len(text) <= len(gram):
        return text[:0]
    windows = text[:-1].unfold(0, len(gram), 1)  # (t - n, n)
    return (windows == gram).all(dim=1).nonzero()[:, 0] + len(gram)


@dataclass
class Pace:
    """How far a model writes ahead: further while it is right, less far when it is not."""

    count: int
    is_constant: bool
    threshold: float | None = None
    """Below this probability it is not sure of a token."""
    kept_in: GenerationConfig | None = None
    """The assistant's own options, where what it learnt is to last beyond one call."""

    @classmethod
    def of(cls, options: GenerationConfig, assistant_options: GenerationConfig) -> Pace:
        """What the caller says, else what the assistant's own options say, which is where older scripts set it."""

        def asked(name: str) -> Any:
            own = getattr(options, name)
            return own if is_set(name, own) else getattr(assistant_options, name)

        schedule = asked("num_assistant_tokens_schedule")
        return cls(
            asked("num_assistant_tokens"),
            schedule == "constant",
            asked("assistant_confidence_threshold"),
            assistant_options if schedule == "heuristic" else None,
        )

    def is_sure(self, scores: Tensor, token: Tensor) -> bool:
        """Whether the draft's own probability of the token (1,) is high enough to go on; scores (1, v)."""
        return self.threshold is None or bool(scores.softmax(dim=1)[0, token] >= self.threshold)

    def learn(self, is_right: bool) -> None:
        """Two tokens more after a proposal that was right to its end, else one less."""
        if not self.is_constant:
            self.count = self.count + 2 if is_right else max(1, self.count - 1)
        if self.kept_in is not None:
            self.kept_in.num_assistant_tokens = self.count
