"""The published logits processors that cut for sampling: shells around the cuts of generation/cuts.py.

`filter_value` is the score of what is cut away or was impossible before; `min_tokens_to_keep` so many tokens stay in
any case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bartleby.backends.pytorch.decoding.processors import (
    LogitsWarper,
    RuleProcessor,
    check,
    is_positive,
    is_positive_number,
)
from bartleby.family.fields import is_number
from bartleby.generation import cuts as definition

IMPOSSIBLE = float("-inf")


class CutProcessor(RuleProcessor, LogitsWarper):
    """A processor that does what a cut of the definition says."""

    def __init__(self, rule: definition.Cut, filter_value: float = IMPOSSIBLE, min_tokens_to_keep: int = 1) -> None:
        self.filter_value, self.min_tokens_to_keep = filter_value, min_tokens_to_keep
        super().__init__(rule)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        cut = self._apply(input_ids, scores)
        return cut if self.filter_value == IMPOSSIBLE else cut.masked_fill(cut == IMPOSSIBLE, self.filter_value)


class TemperatureLogitsWarper(RuleProcessor, LogitsWarper):
    """Above 1 flattens the choice, below 1 sharpens it."""

    def __init__(self, temperature: float) -> None:
        wanted = "a number above 0 (for the best token always, set `do_sample=False`)"
        check("temperature", temperature, wanted, is_positive_number)
        self.temperature = temperature
        super().__init__(definition.Temperature(temperature))


class TopKLogitsWarper(CutProcessor):
    """Only the `top_k` best tokens."""

    def __init__(self, top_k: int, filter_value: float = IMPOSSIBLE, min_tokens_to_keep: int = 1) -> None:
        check("top_k", top_k, "a whole number of at least 1", is_positive)
        least = checked_least(min_tokens_to_keep)
        self.top_k = max(top_k, least)
        super().__init__(definition.TopK(top_k, least), filter_value, least)


class TopPLogitsWarper(CutProcessor):
    """Only the best tokens that together have the probability `top_p`."""

    def __init__(self, top_p: float, filter_value: float = IMPOSSIBLE, min_tokens_to_keep: int = 1) -> None:
        self.top_p = share("top_p", top_p, "a number from 0 to 1", lambda value: 0 <= value <= 1)
        least = checked_least(min_tokens_to_keep)
        super().__init__(definition.TopP(self.top_p, least), filter_value, least)


class MinPLogitsWarper(CutProcessor):
    """Only tokens at least `min_p` as likely as the likeliest. Only in 5.x."""

    def __init__(self, min_p: float, filter_value: float = IMPOSSIBLE, min_tokens_to_keep: int = 1) -> None:
        self.min_p = share("min_p", min_p, "a number from 0 to 1", lambda value: 0 <= value <= 1)
        least = checked_least(min_tokens_to_keep)
        super().__init__(definition.MinP(self.min_p, least), filter_value, least)


class TopHLogitsWarper(CutProcessor):
    """Only the best tokens that together have `top_h` of the entropy. Only in 5.x."""

    def __init__(self, top_h: float, filter_value: float = IMPOSSIBLE) -> None:
        self.top_h = share("top_h", top_h, "a number above 0 and at most 1", lambda value: 0 < value <= 1)
        super().__init__(definition.TopH(self.top_h), filter_value)


class TypicalLogitsWarper(CutProcessor):
    """Only the tokens that surprise about as much as was to be expected, until they have the probability `mass`."""

    def __init__(self, mass: float = 0.9, filter_value: float = IMPOSSIBLE, min_tokens_to_keep: int = 1) -> None:
        self.mass = share("mass", mass, "a number above 0 and below 1", lambda value: 0 < value < 1)
        least = checked_least(min_tokens_to_keep)
        super().__init__(definition.TypicalP(self.mass, least), filter_value, least)


class EpsilonLogitsWarper(CutProcessor):
    """Only tokens of at least the probability `epsilon`."""

    def __init__(self, epsilon: float, filter_value: float = IMPOSSIBLE, min_tokens_to_keep: int = 1) -> None:
        self.epsilon = share("epsilon", epsilon, "a number above 0 and below 1", lambda value: 0 < value < 1)
        least = checked_least(min_tokens_to_keep)
        super().__init__(definition.EpsilonCutoff(self.epsilon, least), filter_value, least)


class EtaLogitsWarper(CutProcessor):
    """Only tokens of at least the probability `epsilon`, or of less where the model is undecided."""

    def __init__(
        self, epsilon: float, filter_value: float = IMPOSSIBLE, min_tokens_to_keep: int = 1, device: Any = "cpu"
    ) -> None:
        self.epsilon = share("epsilon", epsilon, "a number above 0 and below 1", lambda value: 0 < value < 1)
        least = checked_least(min_tokens_to_keep)
        super().__init__(definition.EtaCutoff(self.epsilon, least), filter_value, least)


class LogitNormalization(RuleProcessor, LogitsWarper):
    """Scores become log-probabilities again."""

    def __init__(self) -> None:
        super().__init__(definition.Normalize())


def share(name: str, value: Any, wanted: str, accepts: Callable[[float], bool]) -> float:
    """Raises: OptionError if `value` is not the number it must be."""
    check(name, value, wanted, lambda given: is_number(given) and accepts(given))
    return float(value)


def checked_least(min_tokens_to_keep: int) -> int:
    """Raises: OptionError if nothing need stay."""
    check("min_tokens_to_keep", min_tokens_to_keep, "a whole number of at least 1", is_positive)
    return min_tokens_to_keep
