import numpy as np
import pytest

from bartleby.training.collation import (
    BlockCollation,
    Collation,
    LabelCollation,
    Padding,
    PairCollation,
    RewardedCollation,
    SpanCollation,
    measured_batches,
    teacher_inputs,
)
from bartleby.training.store import Examples

PADDING = Padding(pad_token_id=0, decoder_start_token_id=1)
PAIRS = {"source": [[5, 6, 2], [8, 2]], "target": [[7, 2], [9, 9, 2]]}


def drawn() -> np.random.Generator:
    return np.random.default_rng(0)


def test_what_is_padded_and_what_teaches() -> None:
    batch = PairCollation(Examples.of(PAIRS), PADDING).batch(np.array([0, 1]))
    assert batch.arrays["input_ids"].tolist() == [[5, 6, 2], [8, 2, 0]]
    assert batch.arrays["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.arrays["labels"].tolist() == [[7, 2, -100], [9, 9, 2]]
    assert batch.arrays["decoder_input_ids"].tolist() == [[1, 7, 0], [1, 9, 9]]  # the end is predicted, never read
    assert (batch.examples, batch.tokens) == (2, 10)


def test_labels_that_do_not_count_are_not_read_either() -> None:
    labels = np.array([[-100, -100, 7, 2], [-100, -100, -100, -100]])
    assert teacher_inputs(labels, PADDING).tolist() == [[1, 0, 0, 7], [1, 0, 0, 0]]


def test_rewards_stand_beside_their_targets() -> None:
    collation = RewardedCollation(Examples.of({**PAIRS, "rewards": [[1.0], [-0.5]]}), PADDING)
    assert collation(np.array([1, 0]), drawn()).arrays["rewards"].tolist() == [-0.5, 1.0]


def test_a_block_is_read_behind_the_start() -> None:
    batch = BlockCollation(Examples.of({"text": [[5, 6, 7, 2], [8, 2]]}), PADDING)(np.array([0, 1]), drawn())
    assert batch.arrays["input_ids"].tolist() == [[1, 5, 6, 7], [1, 8, 0, 0]]
    assert batch.arrays["labels"].tolist() == [[5, 6, 7, 2], [8, 2, -100, -100]]


def test_windows_know_where_the_answer_is_and_which_they_are() -> None:
    collation = SpanCollation(Examples.of({"source": [[5, 6, 2], [8, 2]], "span": [[1, 2], [0, 0]]}), 0)
    batch = collation(np.array([1, 0]), drawn())
    assert (batch.arrays["start_positions"].tolist(), batch.arrays["end_positions"].tolist()) == ([0, 1], [0, 2])
    assert batch.arrays["window"].tolist() == [1, 0]


def test_batches_hold_labels_as_the_published_loss_wants_them() -> None:
    examples = Examples.of({"source": [[0, 5, 2], [0, 2], [0, 6, 7, 2]], "labels": [[2, 0], [], [1]]})
    collation = LabelCollation(examples, 1, "multi_label_classification", 3)
    batch = collation(np.arange(3), np.random.default_rng(0))
    assert batch.arrays["labels"].tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert batch.arrays["labels"].dtype == np.float32
    assert batch.tokens == 9  # of texts alone: these labels are no tokens
    assert batch.arrays["input_ids"].tolist() == [[0, 5, 2, 1], [0, 2, 1, 1], [0, 6, 7, 2]]


@pytest.mark.parametrize("tokens", [1, 6, 100])
def test_what_is_measured_on_comes_once_however_long_it_is(tokens: int) -> None:
    collation: Collation = PairCollation(Examples.of(PAIRS), PADDING)
    batches = list(measured_batches(collation, tokens).once())
    assert sum(batch.examples for batch in batches) == 2
    assert len(batches) == (1 if tokens == 100 else 2)
