from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.training.collation import Batch, Batches
from bartleby.training.repeats import RepeatedBatches
from bartleby.training.store import Ids


def numbered(rows: Ids, generator: np.random.Generator) -> Batch:
    return Batch({"labels": rows})


def batches_of(repeats: list[int], tokens: int = 40, seed: int = 0) -> RepeatedBatches:
    lengths = np.random.default_rng(1).integers(1, 20, (len(repeats), 2))
    return RepeatedBatches(lengths, np.array(repeats), numbered, tokens, seed)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.integers(0, 3))
def test_every_example_comes_as_often_as_said_and_never_twice_in_a_batch(repeats: list[int], epoch: int) -> None:
    plan = batches_of(repeats).plan(epoch)
    assert Counter(np.concatenate(plan).tolist()) == dict(enumerate(repeats))
    assert all(len(set(rows.tolist())) == len(rows) for rows in plan)


def test_without_repeats_the_plan_is_the_usual_one() -> None:
    batches = batches_of([1] * 20)
    usual = Batches(batches.lengths, numbered, 40, 0)
    for found, wanted in zip(batches.plan(2), usual.plan(2), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_number_n_is_the_same_whenever_it_is_asked_for() -> None:
    repeats = [1, 4, 2, 1] * 5
    numbers = [next(batches_of(repeats).from_number(start)).arrays["labels"].tolist() for start in range(60)]
    stream = batches_of(repeats).from_number(0)
    assert [next(stream).arrays["labels"].tolist() for _ in range(60)] == numbers


def test_the_copies_of_an_example_are_spread_over_the_epoch() -> None:
    batches = batches_of([8] + [1] * 400, tokens=60)
    plan = batches.plan(0)
    places = [place / len(plan) for place, rows in enumerate(plan) if 0 in rows]
    assert len(places) == 8
    assert max(places) - min(places) == pytest.approx(0.8, abs=0.2)
