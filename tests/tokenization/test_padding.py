from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.tokenization.padding import padded


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(0, 30), st.sampled_from(["left", "right"]))
def test_a_row_keeps_its_items_in_order_on_the_other_side(row: list[int], goal: int, side: Any) -> None:
    long = padded(row, goal, -1, side)
    assert len(long) == max(goal, len(row))
    assert [item for item in long if item != -1] == row
    assert (
        long[len(row) :] == [-1] * (len(long) - len(row))
        if side == "right"
        else long[-len(row) or None :] == row or not row
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_afterwards_equals_padding_in_the_call(bart: BartTokenizer, side: Any) -> None:
    texts = ["Hello world", "Hello", "My friends are cool"]
    wanted = bart(texts, padding=True, padding_side=side, pad_to_multiple_of=4, return_special_tokens_mask=True)
    rows = [bart(text, return_special_tokens_mask=True) for text in texts]
    assert bart.pad(rows, padding_side=side, pad_to_multiple_of=4) == wanted
    columns = bart(texts, return_special_tokens_mask=True)
    assert bart.pad(columns, padding_side=side, pad_to_multiple_of=4) == wanted


def test_a_mask_is_made_where_there_is_none(bart: BartTokenizer) -> None:
    assert bart.pad({"input_ids": [[5, 6], [7]]}) == {"input_ids": [[5, 6], [7, 1]], "attention_mask": [[1, 1], [1, 0]]}
    assert bart.pad({"input_ids": [5]}, padding="max_length", max_length=3)["attention_mask"] == [1, 0, 0]
    assert "attention_mask" not in bart.pad({"input_ids": [[5]]}, return_attention_mask=False)


def test_labels_are_left_alone(bart: BartTokenizer) -> None:
    assert bart.pad({"input_ids": [[5, 6], [7]], "labels": [[1], [2]]})["labels"] == [[1], [2]]


def test_arrays_come_back_as_arrays(bart: BartTokenizer) -> None:
    rows = [{"input_ids": np.array([5, 6])}, {"input_ids": np.array([7])}]
    assert bart.pad(rows)["input_ids"].tolist() == [[5, 6], [7, 1]]
    torch = pytest.importorskip("torch")
    tensors = bart.pad([{"input_ids": torch.tensor([5, 6])}, {"input_ids": torch.tensor([7])}])
    assert torch.equal(tensors["input_ids"], torch.tensor([[5, 6], [7, 1]]))


@pytest.mark.parametrize(
    ("encoded", "named"),
    [
        ({"labels": [[1]]}, "'input_ids'"),
        ({"input_ids": [[1], [2]], "labels": [[1]]}, "'labels' has 1"),
        ([{"input_ids": [1]}, {"labels": [1]}], "number 1"),
        ([], "empty"),
        ("text", "must be an encoding"),
    ],
)
def test_what_cannot_be_padded_is_refused(bart: BartTokenizer, encoded: Any, named: str) -> None:
    with pytest.raises(TokenizerError, match=named):
        bart.pad(encoded)


def test_without_a_pad_token_there_is_no_padding(bart: BartTokenizer) -> None:
    bart.pad_token = None
    with pytest.raises(TokenizerError, match=r"pad_token = tokenizer\.eos_token"):
        bart.pad({"input_ids": [[1]]})
    with pytest.raises(TokenizerError, match=r"pad_token = tokenizer\.eos_token"):
        bart(["a", "b c"], padding=True)
