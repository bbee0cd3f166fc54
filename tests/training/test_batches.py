from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError, OptionError
from bartleby.training.batches import Batch, Batches, RepeatedBatches, buckets
from bartleby.training.collation import Padding, PairCollation
from bartleby.training.store import Examples, Ids

PADDING = Padding(pad_token_id=0, decoder_start_token_id=1)
ROW = st.lists(st.integers(2, 99), min_size=1, max_size=12)
Pair = tuple[list[int], list[int]]


def collation_of(*pairs: Pair) -> PairCollation:
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    return PairCollation(Examples.of({"source": sources, "target": targets}), PADDING)


def batches_of(collation: PairCollation, tokens: int = 100, seed: int = 0) -> Batches:
    return Batches(collation.lengths(), collation, tokens, seed)


def some_pairs(count: int = 200) -> PairCollation:
    generator = np.random.default_rng(3)
    rows = [[generator.integers(2, 99, generator.integers(1, 20)).tolist() for _ in "st"] for _ in range(count)]
    return collation_of(*((source, target) for source, target in rows))


def same(one: Batch, other: Batch) -> bool:
    return all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def noisy(rows: Ids, generator: np.random.Generator) -> Batch:
    return Batch({"rows": rows, "noise": generator.random(len(rows))})


@given(st.lists(st.tuples(ROW, ROW), min_size=1, max_size=20), st.integers(24, 80), st.integers(0, 5))
def test_every_example_comes_once_an_epoch_and_whole(pairs: list[Pair], tokens: int, seed: int) -> None:
    seen = []
    for batch in batches_of(collation_of(*pairs), tokens, seed).once():
        ids, mask, labels = (batch.arrays[name] for name in ("input_ids", "attention_mask", "labels"))
        assert ids.size + labels.size <= tokens
        for source, held, label in zip(ids, mask, labels, strict=True):
            seen.append((source[held == 1].tolist(), label[label != -100].tolist()))
    assert sorted(seen) == sorted(pairs)


@given(st.integers(1, 7), st.integers(1, 5))
def test_the_parts_of_a_batch_hold_all_its_rows_as_wide_as_they_were(rows: int, parts: int) -> None:
    whole = some_pairs().batch(np.arange(rows))
    shares = [whole.part(index, parts) for index in range(parts)]
    assert sum(share.examples for share in shares) == rows
    assert sum(share.tokens for share in shares) == whole.tokens
    assert {share.arrays["labels"].shape[1] for share in shares} == {whole.arrays["labels"].shape[1]}


def test_a_label_for_a_whole_text_is_no_token() -> None:
    batch = Batch({"input_ids": np.ones((2, 3)), "attention_mask": np.ones((2, 3), int), "labels": np.array([1, 0])})
    assert (batch.examples, batch.tokens) == (2, 6)


def test_a_batch_can_be_asked_for_by_its_number_across_epochs() -> None:
    batches = Batches(some_pairs().lengths(), noisy, 100, seed=1)
    epoch = len(batches.plan(0))
    whole = list(islice(batches.from_number(0), 3 * epoch))
    for start in (0, 1, epoch - 1, epoch, 2 * epoch + 3):
        assert same(next(batches.from_number(start)), whole[start])


def test_noise_is_drawn_anew_for_every_batch_but_the_same_when_all_are_gone_through_once() -> None:
    batches = Batches(some_pairs().lengths(), noisy, 100, seed=1)
    drawn = [batch.arrays["noise"][0] for batch in islice(batches.from_number(0), 50)]
    assert len(set(drawn)) == 50
    assert all(map(same, batches.once(), batches.once()))


def test_epochs_differ_and_so_do_seeds() -> None:
    def orders(seed: int, epoch: int) -> list[list[int]]:
        return [rows.tolist() for rows in batches_of(some_pairs(), 100, seed).plan(epoch)]

    assert orders(0, 0) == orders(0, 0)
    assert orders(0, 0) != orders(0, 1)
    assert orders(0, 0) != orders(1, 0)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_less_than_a_tenth_of_a_batch_is_padding(columns: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 20, (3000, columns))
    plan = Batches(lengths, noisy, 600, 0).plan(0)
    assert sorted(np.concatenate(plan)) == list(range(3000))
    places = sum(int(lengths[rows].max(axis=0).sum()) * len(rows) for rows in plan)
    assert places <= 600 * len(plan)
    # in rows of random lengths about half would be; of three lengths only the first two are kept alike
    assert lengths.sum() / places > (0.9 if columns < 3 else 0.75)


def test_buckets_widen_where_texts_are_long() -> None:
    lengths = np.arange(1, 2000)
    numbers = buckets(lengths)
    assert (np.diff(numbers) >= 0).all()
    assert np.bincount(numbers)[1:16].tolist() == [3] * 15
    assert len(np.unique(numbers)) < 100


def test_a_batch_must_hold_the_longest_example() -> None:
    with pytest.raises(OptionError, match="must be at least 5, the longest example, but is 4"):
        batches_of(collation_of(([5, 6, 2], [7, 2])), 4)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="no example"):
        batches_of(collation_of())


def numbered(rows: Ids, generator: np.random.Generator) -> Batch:
    return Batch({"labels": rows})


def repeated(repeats: list[int], tokens: int = 40, seed: int = 0) -> RepeatedBatches:
    lengths = np.random.default_rng(1).integers(1, 20, (len(repeats), 2))
    return RepeatedBatches(lengths, np.array(repeats), numbered, tokens, seed)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.integers(0, 3))
def test_every_example_comes_as_often_as_said_and_never_twice_in_a_batch(repeats: list[int], epoch: int) -> None:
    plan = repeated(repeats).plan(epoch)
    assert Counter(np.concatenate(plan).tolist()) == dict(enumerate(repeats))
    assert all(len(set(rows.tolist())) == len(rows) for rows in plan)


def test_without_repeats_the_plan_is_the_usual_one() -> None:
    batches = repeated([1] * 20)
    usual = Batches(batches.lengths, numbered, 40, 0)
    for found, wanted in zip(batches.plan(2), usual.plan(2), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_number_n_is_the_same_whenever_it_is_asked_for() -> None:
    repeats = [1, 4, 2, 1] * 5
    numbers = [next(repeated(repeats).from_number(start)).arrays["labels"].tolist() for start in range(60)]
    stream = repeated(repeats).from_number(0)
    assert [next(stream).arrays["labels"].tolist() for _ in range(60)] == numbers


def test_the_copies_of_an_example_are_spread_over_the_epoch() -> None:
    batches = repeated([8] + [1] * 400, tokens=60)
    plan = batches.plan(0)
    places = [place / len(plan) for place, rows in enumerate(plan) if 0 in rows]
    assert len(places) == 8
    assert max(places) - min(places) == pytest.approx(0.8, abs=0.2)
