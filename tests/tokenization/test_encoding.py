import pickle
from typing import Any

import numpy as np
import pytest

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.tokenization.encoding import BatchEncoding, CharSpan, TensorType, TokenSpan, as_tensors

TEXT = "Hello  world, café"


def test_every_character_of_a_word_leads_to_a_token_that_covers_it(bart: BartTokenizer) -> None:
    encoded = bart(TEXT)
    for place, character in enumerate(TEXT):
        token = encoded.char_to_token(place)
        if not character.isspace():
            span = encoded.token_to_chars(token)
            assert span is not None
            assert span.start <= place < span.end


def test_words_tokens_and_characters_agree(bart: BartTokenizer) -> None:
    encoded = bart(TEXT)
    for token, word in enumerate(encoded.word_ids()):
        if word is None:
            assert encoded.token_to_chars(token) in (None, CharSpan(0, 0))
            continue
        span = encoded.word_to_tokens(word)
        assert isinstance(span, TokenSpan)
        assert span.start <= token < span.end
        assert encoded.token_to_word(token) == word
        chars = encoded.word_to_chars(word)
        assert chars is not None
        assert all(encoded.char_to_word(place) == word for place in range(*chars))


def test_the_second_text_is_asked_for_by_its_number(bart: BartTokenizer) -> None:
    encoded = bart("one", "two three")
    assert encoded.n_sequences == 2
    assert {kind for kind in encoded.sequence_ids() if kind is not None} == {0, 1}
    token = encoded.char_to_token(4, sequence_index=1)
    assert encoded.token_to_sequence(token) == 1
    assert encoded.token_to_chars(token).start == 4
    assert encoded.token_to_sequence(0) is None


def test_an_index_alone_is_in_the_first_row_and_may_count_from_the_end(bart: BartTokenizer) -> None:
    encoded = bart(["Hello world", "Hello"])
    assert encoded.token_to_chars(1) == encoded.token_to_chars(0, 1)
    assert encoded.token_to_word(0, -1) is None  # the end token
    assert encoded.token_to_word(1, -2) == encoded.word_ids(1)[-2]
    assert encoded[1].ids == encoded["input_ids"][1]


def test_columns_are_found_by_key_and_by_name(bart: BartTokenizer) -> None:
    encoded = bart(["Hello world", "Hello"])
    assert encoded.input_ids == encoded["input_ids"]
    assert list(encoded) == list(encoded.keys()) == ["input_ids", "attention_mask"]
    assert {**encoded} == dict(encoded.items())
    assert encoded[:1] == {key: value[:1] for key, value in encoded.items()}
    with pytest.raises(AttributeError, match="input_ids"):
        _ = encoded.labels


def test_numbers_alone_have_no_positions() -> None:
    encoded = BatchEncoding({"input_ids": [[1, 2]]})
    assert not encoded.is_fast
    with pytest.raises(TokenizerError, match="not of text"):
        encoded.tokens()


def test_it_survives_pickling_with_its_positions(bart: BartTokenizer) -> None:
    encoded = bart("Hello world", return_tensors="np")
    copy = pickle.loads(pickle.dumps(encoded))
    assert copy.tokens() == encoded.tokens()
    assert (copy["input_ids"] == encoded["input_ids"]).all()


def test_tensors_are_64_bit_integers(bart: BartTokenizer) -> None:
    encoded = bart(["Hello world", "Hello"], padding=True, return_tensors="np")
    assert encoded["input_ids"].dtype == np.int64
    assert encoded["input_ids"].shape == encoded["attention_mask"].shape
    assert bart([], return_tensors="np")["input_ids"].dtype == np.int64


def test_pytorch_tensors_hold_the_same_numbers(bart: BartTokenizer) -> None:
    torch = pytest.importorskip("torch")
    encoded = bart(["Hello world", "Hello"], padding=True, return_tensors="pt").to("cpu")
    assert encoded["input_ids"].dtype == torch.int64
    assert encoded["input_ids"].tolist() == bart(["Hello world", "Hello"], padding=True)["input_ids"]


def jax_arrays() -> type:
    return pytest.importorskip("jax", reason='needs JAX: pip install "bartleby[flax]"').Array


def tensorflow_tensors() -> type:
    return pytest.importorskip("tensorflow", reason='needs TensorFlow: pip install "bartleby[tensorflow]"').Tensor


@pytest.mark.parametrize(("framework", "tensors"), [("jax", jax_arrays), ("tf", tensorflow_tensors)])
def test_other_frameworks_get_their_own_integers(bart: BartTokenizer, framework: str, tensors: Any) -> None:
    kind = tensors()
    lists = bart(["Hello world", "Hello"], padding=True)
    encoded = bart(["Hello world", "Hello"], padding=True, return_tensors=framework)
    later = BatchEncoding(dict(lists)).convert_to_tensors(TensorType(framework))
    for each in (encoded, later, bart.pad(bart(["Hello world", "Hello"]), return_tensors=framework)):
        assert all(isinstance(value, kind) for value in each.values())
        assert {name: (np.asarray(value).dtype, np.asarray(value).tolist()) for name, value in each.items()} == {
            name: (np.int32, value) for name, value in lists.items()
        }
    assert bart.batch_decode(encoded["input_ids"]) == bart.batch_decode(lists["input_ids"])
    assert bart.decode(encoded["input_ids"][0]) == bart.decode(lists["input_ids"][0])
    assert encoded.convert_to_tensors("np")["input_ids"].dtype == np.int64


def test_one_text_gets_a_batch_axis_where_asked(bart: BartTokenizer) -> None:
    jax_arrays()
    alone = bart("Hello world")
    assert bart("Hello world", return_tensors="jax")["input_ids"].tolist() == [alone["input_ids"]]
    assert alone.convert_to_tensors("jax", prepend_batch_axis=True)["input_ids"].shape == (1, 4)


def test_rows_of_different_lengths_are_refused_with_the_remedy(bart: BartTokenizer) -> None:
    with pytest.raises(TokenizerError, match=r"`input_ids`.*differ in length.*padding=True"):
        bart(["Hello world", "Hello"], return_tensors="np")


def test_an_unknown_framework_is_refused_by_naming_the_known() -> None:
    with pytest.raises(TokenizerError, match="'np', 'pt', 'tf', 'jax'"):
        as_tensors({"input_ids": [[1]]}, "numpy")
