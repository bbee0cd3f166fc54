"""What the value of a decoding option must be: kinds to annotate options with, on top of those of every config.

Numbers are held to ranges wide enough for every use and narrow enough that no score overflows float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from bartleby.family.fields import Check, is_number, is_whole
from bartleby.generation.compiling import ARGUMENTS, CompileConfig, is_compiling

SCHEDULES = ("heuristic", "heuristic_transient", "constant")
CACHES = ("dynamic", "static", "offloaded", "offloaded_static", "quantized")


def is_ids(value: Any) -> bool:
    """A list of token ids that is not empty."""
    return isinstance(value, list | tuple) and len(value) > 0 and all(is_whole(item) and item >= 0 for item in value)


def is_words(value: Any) -> bool:
    """A list of lists of token ids, none of them empty."""
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(is_ids, value))


def _is_words_or_choices(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(is_ids(item) or is_words(item) for item in value)


def _is_bias(value: Any) -> bool:
    if isinstance(value, Mapping):
        return len(value) > 0 and all(is_ids(key) and _in_range(bias) for key, bias in value.items())
    if not isinstance(value, list | tuple) or len(value) == 0:
        return False
    return all(
        isinstance(pair, list | tuple) and len(pair) == 2 and is_ids(pair[0]) and _in_range(pair[1]) for pair in value
    )


def _in_range(value: Any) -> bool:
    # Minus infinity is a ban; plus infinity would leave nothing to compare.
    return value == float("-inf") or (is_number(value) and abs(value) <= 1e9)


def _is_decay(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    start, factor = value
    return is_whole(start) and start >= 0 and is_number(factor) and 1e-2 <= factor <= 1e2


def _is_places(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and is_whole(pair[0])
        and pair[0] >= 0
        and (pair[1] is None or (is_whole(pair[1]) and pair[1] >= 0))
        for pair in value
    )


def _is_texts(value: Any) -> bool:
    texts = [value] if isinstance(value, str) else value
    return (
        isinstance(texts, list | tuple)
        and len(texts) > 0
        and all(isinstance(text, str) and text != "" for text in texts)
    )


def _number(words: str, accepts: Callable[[float], bool]) -> Check:
    return Check(words, lambda value: is_number(value) and accepts(value))


def _one_of(words: str, names: tuple[str, ...]) -> Check:
    return Check(f"{words}, one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


Positive = Annotated[int, Check("a whole number of at least 1", lambda value: is_whole(value) and value >= 1)]
Power = Annotated[float, _number("a number from -10 to 10", lambda value: -10 <= value <= 10)]
Factor = Annotated[float, _number("a number from 1e-9 to 1e9", lambda value: 1e-9 <= value <= 1e9)]
Penalty = Annotated[float, _number("a number from 0 to 1e9", lambda value: 0 <= value <= 1e9)]
Share = Annotated[float, _number("a number above 0 and at most 1", lambda value: 0 < value <= 1)]
Cutoff = Annotated[float, _number("a number of at least 0 and below 1", lambda value: 0 <= value < 1)]
Seconds = Annotated[float, _number("a number of seconds of at least 0", lambda value: value >= 0)]
EarlyStopping = Annotated[
    bool | str,
    Check(
        'True, False or "never"',
        lambda value: isinstance(value, bool) or (isinstance(value, str) and value == "never"),
    ),
]
TokenList = Annotated[list[int], Check("a list of token ids", is_ids)]
Words = Annotated[list[list[int]], Check("a list of lists of token ids, none of them empty", is_words)]
WordsOrChoices = Annotated[
    list[Any],
    Check("a list of words, each a list of token ids or a list of such lists to choose from", _is_words_or_choices),
]
Objects = Annotated[
    list[Any], Check("a list that is not empty", lambda value: isinstance(value, list | tuple) and len(value) > 0)
]
Bias = Annotated[
    Mapping[tuple[int, ...], float] | list[Any],
    Check("a bias for each tuple of token ids, as a dictionary or as a list of pairs [ids, bias]", _is_bias),
]
Decay = Annotated[tuple[int, float], Check("a start of at least 0 and a factor from 0.01 to 100", _is_decay)]
Places = Annotated[list[Any], Check("a list of pairs [place, token id]", _is_places)]
Texts = Annotated[str | list[str], Check("a text or a list of texts, none of them empty", _is_texts)]
Schedule = Annotated[str, _one_of("how the number of assistant tokens changes", SCHEDULES)]
CacheName = Annotated[str, _one_of("the name of a cache", CACHES)]
Compiling = Annotated[
    CompileConfig | Mapping[str, Any],
    Check(f"a CompileConfig or a dictionary of {', '.join(ARGUMENTS)}", is_compiling),
]
Settings = Annotated[dict[str, Any], Check("a dictionary", lambda value: isinstance(value, Mapping))]
