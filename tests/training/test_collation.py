from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError, OptionError
from bartleby.training.collation import Batch, Batches, Padding, TokenPairs

PADDING = Padding(pad_token_id=0, decoder_start_token_id=1)
IDS = st.lists(st.integers(2, 99), min_size=1, max_size=12)


def pairs_of(*pairs: tuple[list[int], list[int]]) -> TokenPairs:
    return TokenPairs.of(pairs, vocab_size=100)


def some_pairs(count: int = 200) -> TokenPairs:
    generator = np.random.default_rng(3)
    rows = [[generator.integers(2, 99, generator.integers(1, 20)).tolist() for _ in "st"] for _ in range(count)]
    return pairs_of(*((source, target) for source, target in rows))


def same(one: Batch, other: Batch) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=20), st.integers(24, 80), st.integers(0, 5))
def test_every_example_comes_once_an_epoch_and_whole(
    pairs: list[tuple[list[int], list[int]]], tokens: int, seed: int
) -> None:
    batches = Batches(pairs_of(*pairs), PADDING, tokens, seed)
    seen = []
    for batch in batches.once():
        assert batch.source_ids.size + batch.labels.size <= tokens
        for source, mask, label in zip(batch.source_ids, batch.source_mask, batch.labels, strict=True):
            seen.append((source[mask == 1].tolist(), label[label != -100].tolist()))
    assert sorted(seen) == sorted(pairs)


def test_what_is_padded_and_what_teaches() -> None:
    batch = Batches(pairs_of(([5, 6, 2], [7, 2]), ([8, 2], [9, 9, 2])), PADDING, 100, 0).collate(np.array([0, 1]))
    assert batch.source_ids.tolist() == [[5, 6, 2], [8, 2, 0]]
    assert batch.source_mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.labels.tolist() == [[7, 2, -100], [9, 9, 2]]
    assert batch.target_ids.tolist() == [[1, 7, 0], [1, 9, 9]]  # the end is predicted, never read
    assert (batch.examples, batch.tokens) == (2, 10)


def test_a_batch_can_be_asked_for_by_its_number_across_epochs() -> None:
    batches = Batches(some_pairs(), PADDING, 100, seed=1)
    epoch = len(batches.plan(0))
    whole = list(islice(batches.from_number(0), 3 * epoch))
    for start in (0, 1, epoch - 1, epoch, 2 * epoch + 3):
        assert same(next(batches.from_number(start)), whole[start])


def test_epochs_differ_and_so_do_seeds() -> None:
    def orders(seed: int, epoch: int) -> list[list[int]]:
        return [rows.tolist() for rows in Batches(some_pairs(), PADDING, 100, seed).plan(epoch)]

    assert orders(0, 0) == orders(0, 0)
    assert orders(0, 0) != orders(0, 1)
    assert orders(0, 0) != orders(1, 0)


def test_less_than_a_tenth_of_a_batch_is_padding() -> None:
    batches = list(Batches(some_pairs(3000), PADDING, 600, 0).once())
    places = sum(batch.source_ids.size + batch.labels.size for batch in batches)
    assert sum(batch.tokens for batch in batches) / places > 0.9  # in rows of random lengths about half would be


def test_pairs_come_back_from_a_file_and_pick_by_number(tmp_path: Path) -> None:
    pairs = pairs_of(([5, 6, 2], [7, 2]), ([8, 2], [9, 9, 2]), ([4], [4]))
    pairs.save(tmp_path / "new" / "pairs.npz")
    loaded = TokenPairs.load(tmp_path / "new" / "pairs.npz")
    assert loaded.take(np.array([2, 0])).rows() == ([[4], [5, 6, 2]], [[4], [7, 2]])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["pairs.npz"]
    assert loaded.sources.dtype == np.uint16


def test_ids_beyond_two_bytes_are_kept() -> None:
    assert TokenPairs.of([([70_000], [69_999])], vocab_size=80_000).rows() == ([[70_000]], [[69_999]])


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.npz"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match=r"pairs\.npz cannot be read"):
        TokenPairs.load(path)


def test_a_batch_must_hold_the_longest_example() -> None:
    with pytest.raises(OptionError, match="must be at least 5, the longest example, but is 4"):
        Batches(pairs_of(([5, 6, 2], [7, 2])), PADDING, 4, 0)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="no example"):
        Batches(pairs_of(), PADDING, 100, 0)
