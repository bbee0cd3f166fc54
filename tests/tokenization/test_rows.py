from typing import Any

import pytest
from tokenizers import Tokenizer, pre_tokenizers

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer
from bartleby.tokenization.rows import Unjoinable, what_is_wrong, without_post_processor


def test_the_bare_tokenizer_finds_the_same_tokens_and_adds_none(bart: BartTokenizer) -> None:
    bart.add_tokens(["<b>"])
    bart.add_special_tokens({"additional_special_tokens": ["<a>"]})
    text = "Hello <mask> world<a><b> </s>"
    bare = without_post_processor(bart.backend_tokenizer)
    assert bare.encode(text).ids == bart(text, add_special_tokens=False)["input_ids"]
    assert bart(text)["input_ids"] == [0, *bare.encode(text).ids, 2]


def test_a_call_leaves_the_backend_as_it_was(bart: BartTokenizer) -> None:
    before = bart.backend_tokenizer.to_str()
    bart(["Hello world", "a"], padding=True, truncation=True, max_length=5, stride=1, return_overflowing_tokens=True)
    assert bart.backend_tokenizer.to_str() == before


@pytest.mark.parametrize(
    ("texts", "split", "said"),
    [
        (["a", None], False, "number 1 must be a string, but holds None"),
        ([3], False, "number 0 must be a string, but holds 3"),
        ([b"bytes"], False, "number 0 must be a string"),
        ([["a", 5]], True, "number 0 must be a list of words"),
        (["a\udfffb"], False, r"number 0 is no text: it holds '\\udfff' at character 1, half of a surrogate pair"),
    ],
)
def test_the_first_text_that_is_none_is_named(texts: list[Any], split: bool, said: str) -> None:
    with pytest.raises(TokenizerError, match=said):
        raise TokenizerError(what_is_wrong(texts, "text", split))


def test_half_a_surrogate_pair_is_refused_and_the_remedy_works(bart: BartTokenizer) -> None:
    broken = "a\ud800b"
    with pytest.raises(TokenizerError, match="surrogatepass"):
        bart(broken)
    mended = broken.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert bart.decode(bart(mended)["input_ids"], skip_special_tokens=True) == "a�b"


def test_every_window_of_a_pair_has_types(blenderbot: BlenderbotTokenizer) -> None:
    options = {"truncation": "only_first", "max_length": 8, "return_overflowing_tokens": True}
    batch = blenderbot("Hello world, how are you today?", "my friends", return_token_type_ids=True, **options)
    assert len(batch["input_ids"]) > 1
    for row, types in enumerate(batch["token_type_ids"]):
        assert types == batch.sequence_ids(row)


def test_special_tokens_need_their_room(bart: BartTokenizer) -> None:
    assert bart("Hello world", truncation=True, max_length=2)["input_ids"] == [0, 2]
    with pytest.raises(TokenizerError, match="`max_length` must be at least 2"):
        bart("Hello world", truncation=True, max_length=1)


def test_the_stride_stays_below_the_window(bart: BartTokenizer) -> None:
    with pytest.raises(TokenizerError, match="`stride` must be below the 3 tokens"):
        bart("Hello world and much more", truncation=True, max_length=5, stride=3, return_overflowing_tokens=True)


def test_a_backend_that_breaks_down_on_a_text_is_refused(bart: BartTokenizer) -> None:
    backend = Tokenizer.from_str(bart.backend_tokenizer.to_str())
    backend.pre_tokenizer = pre_tokenizers.FixedLength(0)
    with pytest.raises(TokenizerError, match="broke down on encoding"):
        BartTokenizer(tokenizer_object=backend)("Hello")


def test_special_tokens_that_are_not_set_are_not_added(bart: BartTokenizer) -> None:
    encode = bart.backend_tokenizer.encode
    first, second = encode("Hello", add_special_tokens=False), encode("you", add_special_tokens=False)
    joined = Unjoinable("no sep").process(first, second, False)
    assert joined.ids == first.ids + second.ids
    with pytest.raises(TokenizerError, match="no sep"):
        Unjoinable("no sep").process(first, None, True)
