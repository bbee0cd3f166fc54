from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.training.objectives.repeats import Overuse, earlier_tokens, repeated_places, shared_places

IDS = st.lists(st.integers(3, 7), max_size=14)


@given(st.lists(IDS, min_size=1, max_size=4))
def test_candidates_are_the_tokens_before_but_not_the_token_itself(rows: list[list[int]]) -> None:
    labels = np.full((len(rows), max(map(len, rows)) + 1), -100)
    for place, row in enumerate(rows):
        labels[place, : len(row)] = row
    candidates, flags = earlier_tokens(labels)
    wanted = [set(row[:place]) - {row[place]} for row in rows for place in range(len(row))]
    assert len(candidates) == len(wanted)
    for found, counted, tokens in zip(candidates, flags, wanted, strict=True):
        assert sorted(found[counted].tolist()) == sorted(tokens)  # each once
        assert not found[~counted].any()


@given(IDS, st.integers(1, 4))
def test_places_are_those_of_ngrams_that_came_before(ids: list[int], size: int) -> None:
    grams = [tuple(ids[start : start + size]) for start in range(len(ids) - size + 1)]
    wanted = {
        place for start, gram in enumerate(grams) if gram in grams[:start] for place in range(start, start + size)
    }
    assert set(np.flatnonzero(repeated_places(np.array(ids, dtype=np.int64), size)).tolist()) == wanted


@given(IDS, IDS, st.integers(1, 4))
def test_places_are_those_of_ngrams_of_the_source(ids: list[int], source: list[int], size: int) -> None:
    flags = shared_places(np.array(ids, dtype=np.int64), np.array(source, dtype=np.int64), size)
    text = " ".join(map(str, source))
    for place, flag in enumerate(flags):
        around = [ids[start : start + size] for start in range(place - size + 1, place + 1) if start >= 0]
        found = any(len(gram) == size and " ".join(map(str, gram)) in text for gram in around)
        assert flag == found


def test_a_sentence_said_twice() -> None:
    ids = np.array([5, 6, 7, 8, 5, 6, 7, 9])
    assert repeated_places(ids, 3).tolist() == [False] * 4 + [True] * 3 + [False]
    assert not repeated_places(ids, 4).any()
    assert shared_places(ids, np.array([7, 8, 5, 4]), 3).tolist() == [
        False,
        False,
        True,
        True,
        True,
        False,
        False,
        False,
    ]


COUNTS: dict[str, Any] = {"written": np.array([0, 50, 30, 20, 0]), "human": np.array([10, 20, 30, 0, 40])}


@pytest.mark.parametrize(
    ("weighting", "wanted"),
    [
        ("uniform", [0, 1, 0, 1, 0]),
        ("logdiff", [0, np.log(0.3 / 0.01), 0, np.log(0.2 / 0.01), 0]),
        ("kldiv", [0, 0.5 * np.log(0.5 / 0.2), 0, 0, 0]),  # people never said the fourth: no ratio
    ],
)
def test_what_is_said_more_than_people_do_weighs(weighting: Any, wanted: list[float]) -> None:
    np.testing.assert_allclose(Overuse(weighting, 0.01)(**COUNTS), wanted, atol=1e-12)


@pytest.mark.parametrize("weighting", ["uniform", "logdiff", "kldiv"])
def test_who_writes_as_people_do_is_not_punished(weighting: Any) -> None:
    counts = np.array([3, 5, 0, 7])
    assert not Overuse(weighting)(counts, 10 * counts).any()
    assert not Overuse(weighting)(np.zeros(4, dtype=np.int64), counts).any()
