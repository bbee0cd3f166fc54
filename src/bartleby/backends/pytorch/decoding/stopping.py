"""What ends an output besides its end token: the published stopping criteria.

A criterion is asked after every step with all that was written, and answers for each row whether it ends there.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bartleby.errors import ShapeError
from bartleby.generation.stop_strings import Spelled, StopTable, stop_table


class Ended(Tensor):
    """Which rows end, (r,) bool. As one truth value: whether all of them do.

    Releases before 5 answered with one bool for the whole batch, and code written for them asks `if criteria(…)`; code
    written since then takes the rows. Whatever is computed from an `Ended` is an ordinary tensor.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self.all())

    def __deepcopy__(self, memo: dict[int, Any]) -> Ended:
        return self.clone().as_subclass(Ended)


def _all_rows(input_ids: Tensor, answer: bool) -> Ended:
    rows = torch.full(input_ids.shape[:1], answer, dtype=torch.bool, device=input_ids.device)
    return rows.as_subclass(Ended)


class StoppingCriteria:
    """A criterion of one's own: a subclass with `__call__`, which answers with one bool or with one for each row."""

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Any:
        """Whether to stop; `scores` are those of all steps where `generate` records them, else None.

        Shapes: input_ids (r, t) -> bool or (r,).
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(input_ids, scores, **kwargs).")


class MaxLengthCriteria(StoppingCriteria):
    """Ends rows of `max_length` tokens, the prompt included; warns once where they outgrow the model's positions."""

    def __init__(self, max_length: int, max_position_embeddings: int | None = None) -> None:
        self.max_length = max_length
        self.max_position_embeddings = max_position_embeddings
        self._has_warned = False

    def __call__(self, input_ids: Tensor, scores: Any = None, **kwargs: Any) -> Ended:
        length, most = input_ids.shape[-1], self.max_position_embeddings
        if most is not None and most < length < self.max_length and not self._has_warned:
            self._has_warned = True
            warnings.warn(f"{length} tokens are written, but the model has only {most} positions.", stacklevel=2)
        return _all_rows(input_ids, length >= self.max_length)


class MaxNewTokensCriteria(StoppingCriteria):
    """Ends rows `max_new_tokens` behind a prompt of `start_length`."""

    def __init__(self, start_length: int, max_new_tokens: int) -> None:
        self.start_length = start_length
        self.max_new_tokens = max_new_tokens
        self.max_length = start_length + max_new_tokens

    def __call__(self, input_ids: Tensor, scores: Any = None, **kwargs: Any) -> Ended:
        return _all_rows(input_ids, input_ids.shape[-1] >= self.max_length)


class MaxTimeCriteria(StoppingCriteria):
    """Ends all rows `max_time` seconds after `initial_timestamp`, which is now unless given (`time.time()`)."""

    def __init__(self, max_time: float, initial_timestamp: float | None = None) -> None:
        self.max_time = max_time
        self.initial_timestamp = time.time() if initial_timestamp is None else initial_timestamp

    def __call__(self, input_ids: Tensor, scores: Any = None, **kwargs: Any) -> Ended:
        return _all_rows(input_ids, time.time() - self.initial_timestamp > self.max_time)


class EosTokenCriteria(StoppingCriteria):
    """Ends rows whose last token, or one of the last `new_token_length`, is an end token."""

    def __init__(self, eos_token_id: int | Sequence[int] | Tensor) -> None:
        self.eos_token_id = torch.as_tensor(eos_token_id).reshape(-1)

    def __call__(self, input_ids: Tensor, scores: Any = None, new_token_length: int = 1, **kwargs: Any) -> Ended:
        self.eos_token_id = self.eos_token_id.to(input_ids.device)
        return torch.isin(input_ids[:, -new_token_length:], self.eos_token_id).any(dim=-1).as_subclass(Ended)


class StopStringCriteria(StoppingCriteria):
    """Ends rows whose last token completes one of `stop_strings`, which may begin and end inside tokens.

    The text searched is what the tokens write, special tokens included, before any cleaning up. Blenderbot-Small's
    tokens are words: there, punctuation also counts as pulled to the word before it, as its tokenizer decodes it.
    """

    def __init__(self, tokenizer: Spelled, stop_strings: str | Sequence[str]) -> None:
        """Raises: OptionError if a string is empty or can never be written."""
        self.stop_strings = (stop_strings,) if isinstance(stop_strings, str) else tuple(stop_strings)
        table: StopTable = stop_table(tokenizer, self.stop_strings)
        self.window = table.window
        self.after, self.hits = torch.from_numpy(table.after), torch.from_numpy(table.hits)

    def __call__(self, input_ids: Tensor, scores: Any = None, **kwargs: Any) -> Ended:
        self.after, self.hits = self.after.to(input_ids.device), self.hits.to(input_ids.device)
        *earlier, last = input_ids[:, -self.window :].clamp(max=self.hits.shape[1] - 1).unbind(dim=1)
        state = torch.zeros_like(last)
        for tokens in earlier:
            state = self.after[state, tokens].long()
        return self.hits[state, last].as_subclass(Ended)


class ConfidenceCriteria(StoppingCriteria):
    """Ends rows of a drafting model whose last token was less likely than a threshold; needs the recorded `scores`."""

    def __init__(self, assistant_confidence_threshold: float) -> None:
        self.assistant_confidence_threshold = assistant_confidence_threshold

    def __call__(self, input_ids: Tensor, scores: Sequence[Tensor], **kwargs: Any) -> Ended:
        confidence = scores[-1].softmax(dim=-1).gather(1, input_ids[:, -1:])[:, 0]
        return (confidence < self.assistant_confidence_threshold).as_subclass(Ended)


class StoppingCriteriaList(list[Any]):
    """Several criteria: a row ends when one of them says so."""

    def __call__(self, input_ids: Tensor, scores: Any = None, **kwargs: Any) -> Ended:
        return ended(list(self), input_ids, scores, **kwargs)

    @property
    def max_length(self) -> int | None:
        """The length at which the first criterion about length ends all rows; None without one."""
        kinds = (MaxLengthCriteria, MaxNewTokensCriteria)
        return next((criterion.max_length for criterion in self if isinstance(criterion, kinds)), None)


def ended(criteria: Any, input_ids: Tensor, scores: Any = None, **kwargs: Any) -> Ended:
    """Which rows end, by one criterion, several or none (None), each answering with one bool or one for each row.

    Shapes: input_ids (r, t) -> (r,) bool.
    Raises: ShapeError for any other answer.
    """
    every = () if criteria is None else criteria if isinstance(criteria, Iterable) else (criteria,)
    rows = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
    for criterion in every:
        rows = rows | _answer(criterion, criterion(input_ids, scores, **kwargs), rows)
    return rows.as_subclass(Ended)


def _answer(criterion: Any, answer: Any, rows: Tensor) -> Tensor:
    given = answer if isinstance(answer, Tensor) else np.asarray(answer)
    count = given.numel() if isinstance(given, Tensor) else given.size
    if answer is None or count not in (1, len(rows)):
        raise ShapeError(
            f"{type(criterion).__name__} must answer with one bool or one for each of {len(rows)} rows, "
            f"but answers {answer!r:.100}."
        )
    return torch.as_tensor(given, device=rows.device).bool().reshape(-1).expand(len(rows))


def validate_stopping_criteria(stopping_criteria: StoppingCriteriaList, max_length: int) -> StoppingCriteriaList:
    """A copy of the list that limits the length: by `max_length`, unless it does so itself; warns if they differ."""
    own = stopping_criteria.max_length
    if own is not None and own != max_length:
        warnings.warn(f"The criteria end rows at length {own}, `max_length` says {max_length}.", stacklevel=2)
    added = [MaxLengthCriteria(max_length)] if own is None else []
    return StoppingCriteriaList([*stopping_criteria, *added])
