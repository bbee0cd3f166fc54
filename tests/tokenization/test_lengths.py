import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import TokenizerError
from bartleby.tokenization.lengths import (
    UNLIMITED,
    Lengths,
    PaddingStrategy,
    TruncationStrategy,
    kept_sizes,
    resolve_lengths,
)

SIZES = st.integers(0, 60)


@given(SIZES, SIZES, st.integers(0, 100))
def test_longest_first_fills_the_room_and_leaves_two_sequences_as_even_as_it_can(a: int, b: int, room: int) -> None:
    room = min(room, a + b)
    kept = kept_sizes([a, b], room, TruncationStrategy.LONGEST_FIRST, pair=True)
    assert sum(kept) == room
    assert all(0 <= new <= old for new, old in zip(kept, (a, b), strict=True))
    untouched = [old for new, old in zip(kept, (a, b), strict=True) if new == old]
    assert untouched or abs(kept[0] - kept[1]) <= 1


@given(SIZES, SIZES, st.integers(0, 100))
def test_only_second_never_touches_the_first(a: int, b: int, room: int) -> None:
    if room <= a:
        with pytest.raises(TokenizerError, match="only_second"):
            kept_sizes([a, b], room, TruncationStrategy.ONLY_SECOND, pair=True)
    else:
        assert kept_sizes([a, b], room, TruncationStrategy.ONLY_SECOND, pair=True) == [a, room - a]


def test_only_second_needs_a_second() -> None:
    with pytest.raises(TokenizerError, match="text_pair"):
        kept_sizes([9, 0], 5, TruncationStrategy.ONLY_SECOND, pair=False)


def test_nothing_is_cut_or_padded_unless_asked() -> None:
    assert resolve_lengths(False, None, None, 128) == Lengths()
    assert not resolve_lengths(False, False, 5, 128).truncates


def test_a_length_alone_cuts_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert resolve_lengths(False, None, 5, 128).truncates
    assert "truncation=True or False" in caplog.text


@pytest.mark.parametrize("padding", [True, "do_not_pad"])
def test_a_length_nothing_uses_is_said_to_have_no_effect(caplog: pytest.LogCaptureFixture, padding: bool | str) -> None:
    with caplog.at_level(logging.WARNING):
        assert not resolve_lengths(padding, None, 5, 128).truncates
    assert "`max_length` has no effect" in caplog.text


def test_the_models_limit_is_the_length_that_is_not_given() -> None:
    assert resolve_lengths(False, True, None, 128).max_length == 128
    assert resolve_lengths("max_length", False, None, 128).padded_length(3) == 128


def test_without_any_limit_there_is_nothing_to_cut_to(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        lengths = resolve_lengths("max_length", True, None, UNLIMITED)
    assert lengths == Lengths()
    assert caplog.text.count("has no effect") == 2


@given(st.integers(1, 200), st.integers(1, 64))
def test_a_multiple_is_reached_and_not_overshot(longest: int, multiple: int) -> None:
    goal = Lengths(padding=PaddingStrategy.LONGEST, pad_to_multiple_of=multiple).padded_length(longest)
    assert goal % multiple == 0
    assert longest <= goal < longest + multiple


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"padding": "longets"}, "`padding`"),
        ({"truncation": "first"}, "`truncation`"),
        ({"max_length": -1}, "`max_length`"),
        ({"max_length": 3.5}, "`max_length`"),
        ({"stride": -2}, "`stride`"),
        ({"pad_to_multiple_of": 0}, "`pad_to_multiple_of`"),
        ({"padding": True, "truncation": True, "max_length": 10, "pad_to_multiple_of": 8}, "multiple of"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments: dict[str, object], named: str) -> None:
    defaults: dict[str, object] = {"padding": False, "truncation": False, "max_length": None, "model_max_length": 128}
    with pytest.raises(TokenizerError, match=named):
        resolve_lengths(**{**defaults, **arguments})  # type: ignore[arg-type]
