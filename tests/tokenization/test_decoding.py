from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.tokenization.decoding import plain_ids

keep_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.mark.parametrize(
    ("spaced", "tight"),
    [
        ("Hello , world . Is it ? Yes !", "Hello, world. Is it? Yes!"),
        ("I 'm sure they 've done it , she 's not , we 're", "I'm sure they've done it, she's not, we're"),
        ("do n't", "don't"),
        ("rock ' n", "rock'n"),
        ("a . b", "a. b"),
    ],
)
def test_english_punctuation_moves_to_the_word_before_it(bart: BartTokenizer, spaced: str, tight: str) -> None:
    ids = bart(spaced)["input_ids"]
    assert bart.decode(ids, skip_special_tokens=True) == tight
    assert bart.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == spaced
    bart.clean_up_tokenization_spaces = False
    assert bart.decode(ids, skip_special_tokens=True) == spaced


@given(ids=st.lists(st.integers(0, 419)))
@keep_fixture
def test_any_ids_decode(trained_bart: BartTokenizer, ids: list[int]) -> None:
    assert isinstance(trained_bart.decode(ids), str)
    assert trained_bart.batch_decode([ids, ids]) == [trained_bart.decode(ids)] * 2
    assert trained_bart.convert_tokens_to_ids(trained_bart.convert_ids_to_tokens(ids)) == ids


def test_ids_come_as_numbers_arrays_tensors_and_encodings(bart: BartTokenizer) -> None:
    ids = bart("Hello world")["input_ids"]
    wanted = bart.decode(ids)
    assert (
        bart.decode(np.array(ids))
        == bart.decode(bart("Hello world"))
        == bart.decode([np.int64(i) for i in ids])
        == wanted
    )
    assert bart.decode(np.array([ids, ids])) == bart.batch_decode(np.array([ids, ids])) == [wanted, wanted]
    assert bart.decode(ids[1]) == bart.decode(ids[1:2])
    assert bart.decode([]) == ""
    torch = pytest.importorskip("torch")
    assert bart.decode(torch.tensor(ids)) == wanted
    assert bart.batch_decode([torch.tensor(ids)]) == [wanted]


def test_special_tokens_are_left_out_when_asked(bart: BartTokenizer) -> None:
    ids = bart("Hello <mask> world")["input_ids"]
    assert bart.decode(ids) == "<s>Hello<mask> world</s>"
    assert bart.decode(ids, skip_special_tokens=True) == "Hello world"
    assert bart.mask_token not in bart.convert_ids_to_tokens(ids, skip_special_tokens=True)


def test_tokens_without_an_id_count_as_unknown(bart: BartTokenizer) -> None:
    assert bart.convert_tokens_to_ids("no such token") == bart.unk_token_id
    assert bart.convert_tokens_to_ids(["<s>", "no such token"]) == [0, bart.unk_token_id]
    bart.unk_token = None
    with pytest.raises(TokenizerError, match="no `unk_token`"):
        bart.convert_tokens_to_ids("no such token")


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([5, -100], "pad_token_id"),
        ([5, 99_999], "no token with id 99999"),
        ("text", "must be an id or a list"),
        (None, "must be an id or a list"),
        ([1.5], "must hold integers"),
    ],
)
def test_what_no_token_has_is_refused(bart: BartTokenizer, ids: Any, said: str) -> None:
    with pytest.raises(TokenizerError, match=said):
        bart.decode(ids)


def test_ids_beyond_all_counting_have_no_token(bart: BartTokenizer) -> None:
    assert bart.convert_ids_to_tokens([-1, 10**12, 2]) == [None, None, "</s>"]
    assert bart.convert_ids_to_tokens(-1) is bart.convert_ids_to_tokens(10**30) is None
    assert bart.convert_ids_to_tokens(np.int64(2)) == "</s>"
    with pytest.raises(TokenizerError, match="has no token with id 1000000000000"):
        bart.decode([10**12])


def test_unknown_options_are_refused(bart: BartTokenizer) -> None:
    with pytest.raises(TokenizerError, match="skip_special"):
        bart.decode([1], skip_specials=True)


def test_nested_rows_keep_their_nesting() -> None:
    assert plain_ids(((1, 2), [3])) == [[1, 2], [3]]
    assert plain_ids({"input_ids": [1]}) == [1]
