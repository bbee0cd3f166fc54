"""How long an encoding may be: padding and truncation, as asked for, checked, and carried out on one encoding."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from tokenizers import Encoding

from bartleby.errors import TokenizerError

logger = logging.getLogger(__name__)

Side = Literal["left", "right"]
UNLIMITED = int(1e30)  # the published `model_max_length` of a tokenizer that knows no limit
LARGE = int(1e20)  # above this a `model_max_length` means none


class PaddingStrategy(StrEnum):
    """`padding=` as a value: to the longest of the batch, to `max_length`, or not at all."""

    LONGEST = "longest"
    MAX_LENGTH = "max_length"
    DO_NOT_PAD = "do_not_pad"


class TruncationStrategy(StrEnum):
    """`truncation=` as a value: which of two sequences loses tokens."""

    LONGEST_FIRST = "longest_first"
    ONLY_FIRST = "only_first"
    ONLY_SECOND = "only_second"
    DO_NOT_TRUNCATE = "do_not_truncate"


@dataclass(frozen=True)
class Lengths:
    """What a call asked for. `max_length` limits what is truncated and is the goal of padding to `max_length`."""

    padding: PaddingStrategy = PaddingStrategy.DO_NOT_PAD
    truncation: TruncationStrategy = TruncationStrategy.DO_NOT_TRUNCATE
    max_length: int | None = None
    stride: int = 0
    pad_to_multiple_of: int | None = None

    @property
    def truncates(self) -> bool:
        return self.truncation is not TruncationStrategy.DO_NOT_TRUNCATE and self.max_length is not None

    def padded_length(self, longest: int) -> int:
        """The length to pad to in a batch whose longest row has `longest` tokens; 0 without padding."""
        if self.padding is PaddingStrategy.DO_NOT_PAD:
            return 0
        goal = longest if self.padding is PaddingStrategy.LONGEST else (self.max_length or 0)
        multiple = self.pad_to_multiple_of or 1
        return -(-goal // multiple) * multiple


def resolve_lengths(
    padding: bool | str | PaddingStrategy,
    truncation: bool | str | TruncationStrategy | None,
    max_length: int | None,
    model_max_length: int,
    stride: int = 0,
    pad_to_multiple_of: int | None = None,
) -> Lengths:
    """The published arguments as one checked value.

    As published, `max_length` alone truncates (and says so in the log); `truncation=False` does not.
    Raises: TokenizerError for an unknown strategy or sizes that cannot be.
    """
    for name, size, least in (
        ("max_length", max_length, 0),
        ("stride", stride, 0),
        ("pad_to_multiple_of", pad_to_multiple_of, 1),
    ):
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < least):
            raise TokenizerError(f"`{name}` must be an integer of at least {least}, but is {size!r}.")
    if max_length is not None and padding is False and truncation is None:
        logger.warning("`max_length` is set and `truncation` is not: texts are cut. Say truncation=True or False.")
        truncation = True
    pad = strategy(padding, PaddingStrategy, {True: "longest", False: "do_not_pad"})
    cut = strategy(
        truncation, TruncationStrategy, {True: "longest_first", False: "do_not_truncate", None: "do_not_truncate"}
    )
    if max_length is None and model_max_length <= LARGE:
        if pad is PaddingStrategy.MAX_LENGTH or cut is not TruncationStrategy.DO_NOT_TRUNCATE:
            max_length = model_max_length
    elif max_length is None:
        pad, cut = without_limit(pad, cut)
    lengths = Lengths(pad, cut, max_length, stride, pad_to_multiple_of)
    if max_length is not None and not lengths.truncates and pad is not PaddingStrategy.MAX_LENGTH:
        logger.warning("`max_length` has no effect: neither truncation=True nor padding='max_length' is asked for.")
    if (
        lengths.truncates
        and pad is not PaddingStrategy.DO_NOT_PAD
        and max_length
        and max_length % (pad_to_multiple_of or 1)
    ):
        raise TokenizerError(
            f"`max_length` {max_length} must be a multiple of `pad_to_multiple_of` {pad_to_multiple_of}."
        )
    return lengths


def strategy(value: Any, kind: type[Any], shorthands: dict[Any, str]) -> Any:
    """`value` as a member of `kind`; True, False and None as the shorthands say."""
    value = shorthands[value] if value is None or isinstance(value, bool) else value
    try:
        return kind(value)
    except ValueError:
        name = kind.__name__.removesuffix("Strategy").lower()
        known = ", ".join(repr(member.value) for member in kind)
        raise TokenizerError(f"`{name}` must be True, False or one of {known}, but is {value!r}.") from None


def without_limit(pad: PaddingStrategy, cut: TruncationStrategy) -> tuple[PaddingStrategy, TruncationStrategy]:
    """What can be done where neither the call nor the tokenizer knows a length: as published, say so and do nothing."""
    if pad is PaddingStrategy.MAX_LENGTH:
        logger.warning("padding='max_length' has no effect: give `max_length`, or set tokenizer.model_max_length.")
        pad = PaddingStrategy.DO_NOT_PAD
    if cut is not TruncationStrategy.DO_NOT_TRUNCATE:
        logger.warning("`truncation` has no effect: give `max_length`, or set tokenizer.model_max_length.")
    return pad, TruncationStrategy.DO_NOT_TRUNCATE


def truncate(first: Encoding, second: Encoding | None, room: int, lengths: Lengths, side: Side) -> None:
    """Cut one or two encodings, in place, to `room` tokens together; what is cut off goes to their `overflowing`.

    Raises: TokenizerError when the sequence that may be cut is too short for that, or `stride` is not below its length.
    """
    sizes = [len(first), len(second) if second is not None else 0]
    excess = sum(sizes) - room
    if excess <= 0:
        return
    goals = kept_sizes(sizes, room, lengths.truncation, second is not None)
    for encoding, size, goal in zip((first, second), sizes, goals, strict=True):
        if encoding is None or goal == size:
            continue
        if lengths.stride >= goal > 0:
            raise TokenizerError(
                f"`stride` must be below the {goal} tokens a sequence is cut to, but is {lengths.stride}."
            )
        encoding.truncate(goal, stride=lengths.stride, direction=side)


def kept_sizes(sizes: list[int], room: int, cut: TruncationStrategy, pair: bool) -> list[int]:
    """How many tokens each of two sequences keeps when they may have `room` together."""
    first, second = sizes
    if cut is TruncationStrategy.LONGEST_FIRST and pair:
        shorter = min(first, second)
        longer = room - shorter
        if longer >= shorter:
            return [longer, second] if first > second else [first, longer]
        half, rest = room // 2, room - room // 2
        return [rest, half] if first > second else [half, rest]  # the longer one keeps the odd token
    if cut is TruncationStrategy.ONLY_SECOND and not pair:
        raise TokenizerError("truncation='only_second' needs two sequences: give `text_pair`.")
    cut_one = int(cut is TruncationStrategy.ONLY_SECOND)
    goals = [first, room - first] if cut_one else [room - second, second]
    if goals[cut_one] < int(pair):
        raise TokenizerError(
            f"truncation={cut.value!r} cannot cut {first} and {second} tokens to {room}: nothing would be left of the "
            "sequence it cuts. Use truncation='longest_first' or a larger `max_length`."
        )
    return goals
