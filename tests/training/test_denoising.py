import numpy as np
import pytest

from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.batches import IGNORED_LABEL, Batches
from bartleby.training.collation import Padding
from bartleby.training.denoising import DenoisingCollation
from bartleby.training.lexicon import Lexicon
from bartleby.training.noise import NOISES, Noise
from bartleby.training.store import Examples
from bartleby.training.vocabulary import learn_tokenizer

TEXTS = ["One two three. Four five six seven eight.", "Nine ten.", "Eleven, twelve. Thirteen! Fourteen fifteen?"] * 4
TOKENIZER = learn_tokenizer(BartTokenizer, TEXTS, 300)
ROWS = [TOKENIZER(text)["input_ids"] for text in TEXTS]
PADDING = Padding(pad_token_id=1, decoder_start_token_id=2)


def collation_of(noise: Noise | None = None, seed: int | None = None) -> DenoisingCollation:
    examples = Examples.of({"text": ROWS})
    return DenoisingCollation(examples, noise or Noise(), Lexicon.of(TOKENIZER), PADDING, longest=64, seed=seed)


def rows_of(ids: np.ndarray, mask: np.ndarray) -> list[list[int]]:
    return [row[: int(length)].tolist() for row, length in zip(ids, mask.sum(axis=1), strict=True)]


def test_labels_are_the_texts_and_the_decoder_is_given_them_one_place_later() -> None:
    batch = collation_of()(np.array([0, 1, 2]), np.random.default_rng(0))
    arrays = batch.arrays
    for index in range(3):
        kept = arrays["labels"][index] != IGNORED_LABEL
        assert arrays["labels"][index][kept].tolist() == ROWS[index]
        assert arrays["decoder_input_ids"][index][kept].tolist() == [2, *ROWS[index][:-1]]
        assert (arrays["decoder_input_ids"][index][~kept] == 1).all()
    assert batch.tokens == sum(map(len, ROWS[:3])) + int(arrays["attention_mask"].sum())


def test_the_encoder_is_given_the_spoilt_texts() -> None:
    collation = collation_of(NOISES["sentence-permutation"])
    arrays = collation(np.array([0, 2]), np.random.default_rng(0)).arrays
    spoilt = rows_of(arrays["input_ids"], arrays["attention_mask"])
    assert [sorted(row) for row in spoilt] == [sorted(ROWS[0]), sorted(ROWS[2])]
    lengths = arrays["attention_mask"].sum(axis=1)
    assert all((row[length:] == 1).all() for row, length in zip(arrays["input_ids"], lengths, strict=True))


def spoilt_by_text(batches: Batches, epoch: int) -> dict[tuple[int, ...], list[int]]:
    """One epoch, each distinct text with what the encoder saw of it the first time."""
    seen: dict[tuple[int, ...], list[int]] = {}
    stream = batches.from_number(sum(len(batches.plan(earlier)) for earlier in range(epoch)))
    for _ in batches.plan(epoch):
        arrays = next(stream).arrays
        for row, labels in zip(rows_of(arrays["input_ids"], arrays["attention_mask"]), arrays["labels"], strict=True):
            seen.setdefault(tuple(labels[labels != IGNORED_LABEL].tolist()), row)
    return seen


def test_noise_is_drawn_anew_each_epoch_and_is_the_same_when_asked_again() -> None:
    collation = collation_of()
    batches = Batches(collation.lengths(), collation, tokens=120, seed=5)
    again = Batches(collation.lengths(), collation, tokens=120, seed=5)
    assert spoilt_by_text(batches, 0) == spoilt_by_text(again, 0)
    first, second = spoilt_by_text(batches, 0), spoilt_by_text(batches, 1)
    assert first.keys() == second.keys()
    assert first != second


@pytest.mark.parametrize("rows", [[0, 1, 2], [2, 0], [1]])
def test_with_a_seed_a_text_is_spoilt_the_same_in_any_batch(rows: list[int]) -> None:
    fixed = collation_of(seed=3)
    whole = fixed(np.arange(3), np.random.default_rng(0)).arrays
    some = fixed(np.array(rows), np.random.default_rng(9)).arrays
    wanted = rows_of(whole["input_ids"], whole["attention_mask"])
    assert rows_of(some["input_ids"], some["attention_mask"]) == [wanted[row] for row in rows]


def test_equal_texts_are_not_spoilt_alike() -> None:
    fixed = collation_of(seed=3)
    arrays = fixed(np.array([0, 3, 6, 9]), np.random.default_rng(0)).arrays
    assert len({tuple(row) for row in rows_of(arrays["input_ids"], arrays["attention_mask"])}) > 1


def test_lengths_are_enough_for_both_sides() -> None:
    collation = collation_of()
    assert collation.lengths().tolist() == [[len(row), len(row)] for row in ROWS]
