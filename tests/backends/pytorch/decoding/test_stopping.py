from __future__ import annotations

import copy
import pickle
import time
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError, ShapeError
from bartleby.tokenization.byte_level import BartTokenizer

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.stopping import (  # noqa: E402  after the skip
    ConfidenceCriteria,
    EosTokenCriteria,
    MaxLengthCriteria,
    MaxNewTokensCriteria,
    MaxTimeCriteria,
    StoppingCriteria,
    StoppingCriteriaList,
    StopStringCriteria,
    ended,
    validate_stopping_criteria,
)

TEXTS = ["stop the top of the tower", "no stopping here! é 😀 naïve", "end.\nend\n\n"]
TOKENIZER = BartTokenizer().train_new_from_iterator(TEXTS * 4, vocab_size=320)


def written(length: int, rows: int = 3) -> Any:
    return torch.arange(rows * length).reshape(rows, length)


def test_a_criterion_answers_for_each_row_and_for_all_of_them() -> None:
    criterion = MaxLengthCriteria(max_length=10)
    assert not criterion(written(9), None)
    assert criterion(written(10), None)
    assert criterion(written(10), None).tolist() == [True] * 3
    assert all(criterion(written(11), None))
    assert isinstance(criterion(written(9), None), torch.BoolTensor)
    assert type(~criterion(written(9), None)) is torch.Tensor


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda answer: pickle.loads(pickle.dumps(answer))])
def test_answers_can_be_copied_and_kept(copied: Any) -> None:
    answer = EosTokenCriteria(0)(torch.tensor([[1, 0], [0, 1]]), None)
    kept = copied(answer)
    assert kept.tolist() == [True, False]
    assert not kept


def test_rows_that_differ_are_not_all_ended() -> None:
    criterion = EosTokenCriteria(eos_token_id=0)
    one_of_two = criterion(torch.tensor([[5, 0], [0, 5]]), None)
    assert one_of_two.tolist() == [True, False]
    assert one_of_two.any()
    assert not one_of_two


@pytest.mark.parametrize("eos", [0, [0, 2], torch.tensor([0, 2]), torch.tensor(0)])
def test_end_tokens_come_in_every_form(eos: Any) -> None:
    criterion = EosTokenCriteria(eos)
    assert criterion(torch.tensor([[0, 1], [1, 0]]), None).tolist() == [False, True]
    assert criterion(torch.tensor([[0, 1], [1, 0]]), None, new_token_length=2).tolist() == [True, True]


def test_a_list_ends_a_row_when_one_criterion_does() -> None:
    criteria = StoppingCriteriaList([MaxLengthCriteria(10), EosTokenCriteria(29), MaxTimeCriteria(1000.0)])
    assert criteria(written(5), None).tolist() == [False, False, False]
    assert criteria(torch.tensor([[1, 29], [29, 1]]), None).tolist() == [True, False]
    assert criteria(written(10), None)
    assert criteria.max_length == 10
    assert StoppingCriteriaList().max_length is None
    assert not StoppingCriteriaList()(written(3), None)


def test_new_tokens_count_from_the_prompt() -> None:
    criterion = MaxNewTokensCriteria(start_length=5, max_new_tokens=5)
    assert not criterion(written(9), None)
    assert criterion(written(10), None)
    assert StoppingCriteriaList([criterion]).max_length == 10


def test_time_counts_from_when_the_criterion_was_made_or_from_a_given_moment() -> None:
    assert not MaxTimeCriteria(max_time=100)(written(3), None)
    assert MaxTimeCriteria(max_time=0.1, initial_timestamp=time.time() - 0.2)(written(3), None)


def test_outgrowing_the_positions_is_said_once() -> None:
    criterion = MaxLengthCriteria(10, max_position_embeddings=4)
    criterion(written(4), None)
    with pytest.warns(UserWarning, match="only 4 positions"):
        criterion(written(5), None)
    criterion(written(6), None)


class Batch(StoppingCriteria):
    """As before release 5: one bool."""

    def __call__(self, input_ids: Any, scores: Any) -> bool:
        return input_ids.shape[1] >= 4


class Each(StoppingCriteria):
    """As since release 5: one for each row."""

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return input_ids[:, -1] == 7


@pytest.mark.parametrize(
    "answer",
    [True, np.True_, torch.tensor(True), [True] * 3, torch.ones(3, 1, dtype=torch.bool), np.ones(3, dtype=bool)],
)
def test_answers_of_every_kind_become_one_for_each_row(answer: Any) -> None:
    assert ended(lambda ids, scores: answer, written(4)).tolist() == [True] * 3


def test_criteria_of_both_releases_go_together() -> None:
    criteria = StoppingCriteriaList([Batch(), Each()])
    assert criteria(torch.tensor([[1, 7], [7, 1]]), None).tolist() == [True, False]
    assert criteria(torch.ones(2, 4, dtype=torch.long), None).tolist() == [True, True]
    assert ended(None, written(4)).tolist() == [False] * 3
    assert ended([Batch()], written(4)).tolist() == [True] * 3


@pytest.mark.parametrize("answer", [None, [True, False], torch.ones(2)])
def test_answers_that_fit_no_rows_are_refused(answer: Any) -> None:
    with pytest.raises(ShapeError, match="one for each of 3 rows"):
        ended(lambda ids, scores: answer, written(4))


def test_the_base_class_asks_for_a_call() -> None:
    with pytest.raises(NotImplementedError, match="must define __call__"):
        StoppingCriteria()(written(3), None)


def test_a_list_is_completed_with_a_limit_of_length() -> None:
    same = StoppingCriteriaList([MaxLengthCriteria(10)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert validate_stopping_criteria(same, 10) == same
    with pytest.warns(UserWarning, match="length 10, `max_length` says 11"):
        validate_stopping_criteria(same, 11)
    completed = validate_stopping_criteria(StoppingCriteriaList(), 11)
    assert len(completed) == 1
    assert completed.max_length == 11


def test_an_unsure_draft_ends() -> None:
    scores = (torch.zeros(2, 4), torch.tensor([[0.0, 5.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]]))
    answer = ConfidenceCriteria(assistant_confidence_threshold=0.4)(torch.tensor([[0, 1], [0, 2]]), scores)
    assert answer.tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "is_hit"),
    [
        ("stop", True),
        ("no stopping", True),
        ("non stop the", False),
        ("sto", False),
        ("top", False),
        ("non-stop", True),
    ],
)
def test_a_stop_string_ends_in_the_last_token(text: str, is_hit: bool) -> None:
    ids = torch.tensor([TOKENIZER(text, add_special_tokens=False)["input_ids"]])
    assert StopStringCriteria(TOKENIZER, "stop")(ids, None).tolist() == [is_hit]


def test_stop_strings_that_are_never_written_are_refused() -> None:
    with pytest.raises(OptionError, match="not empty"):
        StopStringCriteria(TOKENIZER, ["stop", ""])


@given(
    st.lists(st.text("stop en.é😀!\n", min_size=1, max_size=6), min_size=1, max_size=3),
    st.lists(st.lists(st.integers(0, len(TOKENIZER) - 1), min_size=9, max_size=9), min_size=1, max_size=4),
    st.sampled_from(TEXTS),
)
def test_stop_strings_end_rows_as_in_the_reference_library(words: list[str], rows: list[list[int]], text: str) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference library is not installed")
    published = transformers.PreTrainedTokenizerFast(tokenizer_object=TOKENIZER.backend_tokenizer)
    theirs = transformers.StopStringCriteria(published, words)
    ours = StopStringCriteria(TOKENIZER, words)
    batches = [torch.tensor(rows), *(torch.tensor([TOKENIZER(text)["input_ids"]])[:, : k + 1] for k in range(12))]
    assert [ours(ids, None).tolist() for ids in batches] == [theirs(ids, None).tolist() for ids in batches]
