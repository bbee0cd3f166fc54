import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken

from bartleby.errors import CheckpointError, TokenizerError
from bartleby.tokenization.base import PreTrainedTokenizer, PreTrainedTokenizerFast
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer, BlenderbotSmallTokenizerFast
from bartleby.tokenization.byte_level import (
    BartTokenizer,
    BartTokenizerFast,
    BlenderbotTokenizer,
    BlenderbotTokenizerFast,
)

TEXT = "Hello <mask> world"


def test_a_vocabulary_comes_as_files_as_itself_or_as_a_tokenizer(bart: BartTokenizer, tmp_path: Path) -> None:
    bart.save_pretrained(tmp_path)
    vocab, merges, whole = (str(tmp_path / name) for name in ("vocab.json", "merges.txt", "tokenizer.json"))
    lines = Path(merges).read_text().splitlines()[1:]
    wanted = bart(TEXT)
    assert BartTokenizer(vocab, merges)(TEXT) == wanted
    assert BartTokenizer(vocab_file=Path(vocab), merges_file=Path(merges))(TEXT) == wanted
    assert BartTokenizer(vocab=bart.get_vocab(), merges=lines)(TEXT) == wanted
    assert BartTokenizer(bart.get_vocab(), [tuple(line.split(" ")) for line in lines])(TEXT) == wanted
    assert BartTokenizer(vocab=vocab, merges=merges)(TEXT) == wanted
    assert BartTokenizer(tokenizer_file=whole)(TEXT) == wanted
    assert BartTokenizerFast(None, None, whole)(TEXT) == wanted
    assert BartTokenizer(tokenizer_object=bart.backend_tokenizer)(TEXT) == wanted


def test_without_a_vocabulary_there_are_the_special_tokens() -> None:
    assert BartTokenizer().get_vocab() == {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
    assert BlenderbotTokenizer().get_vocab() == {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}


def test_half_a_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`merges_file` is not given"):
        BartTokenizer({"a": 0})
    with pytest.raises(CheckpointError, match=r"`vocab_file` .*none.* is not a file; `merges_file` is not given"):
        BartTokenizer(tmp_path / "none")
    assert BartTokenizer({"a": 0}, []).vocab_size == 1


def test_special_tokens_that_a_vocabulary_lacks_are_put_behind_it() -> None:
    tokenizer = BartTokenizer({"a": 0, "<s>": 1, "</s>": 2}, [])
    assert tokenizer.vocab_size == 3
    assert len(tokenizer) == 6
    assert (tokenizer.unk_token_id, tokenizer.pad_token_id, tokenizer.mask_token_id) == (3, 4, 5)
    assert tokenizer("a <mask>", add_special_tokens=False)["input_ids"] == [0, 5]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"add_prefix": True}, "Did you mean `add_prefix_space`"),
        ({"xyz": True}, "Known are model_max_length"),
        ({"padding_side": "top"}, "`padding_side` must be 'left' or 'right'"),
        ({"errors": "explode"}, "`errors`"),
        ({"bos_token": 5}, "`bos_token`"),
        ({"extra_special_tokens": {"image_token": "<i>"}}, "must be a list"),
    ],
)
def test_options_that_do_not_exist_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(TokenizerError, match=said):
        BartTokenizer(**options)


def test_older_and_newer_names_of_options_are_known() -> None:
    assert BartTokenizer(max_len=9).model_max_length == 9
    assert BartTokenizer(extra_special_tokens=["<a>"]).additional_special_tokens == ["<a>"]
    assert BartTokenizer(model_input_names=["input_ids"])("") == {"input_ids": [0, 2]}
    assert BartTokenizer(model_max_length=9).max_len_single_sentence == 7
    assert BartTokenizer(model_max_length=9).max_len_sentences_pair == 5


def test_properties_of_a_special_token_are_kept() -> None:
    tokenizer = BartTokenizer(mask_token=AddedToken("<m>", lstrip=False, rstrip=True))
    assert tokenizer.added_tokens_decoder[4].rstrip
    assert not tokenizer.added_tokens_decoder[4].lstrip
    assert BartTokenizer().added_tokens_decoder[4].lstrip


def test_options_take_effect_when_assigned(blenderbot: BlenderbotTokenizer) -> None:
    with_space = blenderbot("Hello")["input_ids"]
    blenderbot.add_prefix_space = False
    assert blenderbot("Hello")["input_ids"] != with_space
    assert blenderbot(" Hello")["input_ids"] == with_space
    assert blenderbot("Hello", add_prefix_space=True)["input_ids"] == with_space
    blenderbot.split_special_tokens = True
    assert blenderbot.decode(blenderbot("<s>")["input_ids"][:-1]) == "<s>"
    assert blenderbot.bos_token_id not in blenderbot("<s>")["input_ids"]


@pytest.mark.parametrize("how", [copy.deepcopy, lambda tokenizer: pickle.loads(pickle.dumps(tokenizer))])
def test_a_copy_is_equal_and_apart(bart: BartTokenizer, how: Any) -> None:
    bart("Hello", add_prefix_space=True)  # keeps a variant, which must not be copied
    bart.add_tokens(["<new>"])
    made = how(bart)
    assert made("a<new> Hello") == bart("a<new> Hello")
    assert made.init_kwargs == bart.init_kwargs
    made.add_tokens(["<other>"])
    made.pad_token = "<s>"
    assert len(made) == len(bart) + 1
    assert bart.pad_token == "<pad>"


def test_the_vocabulary_seen_from_all_sides(bart: BartTokenizer) -> None:
    bart.add_tokens(["<new>"])
    assert bart.vocab == bart.get_vocab()
    assert len(bart.get_vocab()) == len(bart) == bart.vocab_size + 1
    assert bart.added_tokens_encoder == bart.get_added_vocab()
    assert {index: str(token) for index, token in bart.added_tokens_decoder.items()} == {
        index: token for token, index in bart.get_added_vocab().items()
    }
    assert all(bart.convert_ids_to_tokens(index) == token for token, index in bart.get_vocab().items())
    assert "BartTokenizer(name_or_path='', vocab_size=420" in repr(bart)


def test_the_fast_classes_are_classes_of_their_own() -> None:
    assert issubclass(BartTokenizerFast, BartTokenizer)
    assert issubclass(BartTokenizerFast, PreTrainedTokenizerFast)
    assert issubclass(BartTokenizer, PreTrainedTokenizer)
    assert not BartTokenizer().is_fast
    assert BartTokenizerFast().is_fast
    assert type(BartTokenizerFast().train_new_from_iterator(["a b"], 300)) is BartTokenizerFast


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    "ab '.,!?()\n\t </s><mask>__end__@Ġé漢👍\x00", max_size=30
)


@pytest.fixture(scope="module")
def every_class(tmp_path_factory: pytest.TempPathFactory) -> list[PreTrainedTokenizer]:
    """One tokenizer of each published class."""
    small = Path(__file__).parents[1] / "parity" / "goldens" / "tokenizers" / "own"
    classes = {
        "bart": (BartTokenizer, BartTokenizerFast),
        "blenderbot": (BlenderbotTokenizer, BlenderbotTokenizerFast),
        "blenderbot_small": (BlenderbotSmallTokenizer, BlenderbotSmallTokenizerFast),
    }
    return [
        each(small / name / "vocab.json", small / name / "merges.txt")
        for name, kinds in classes.items()
        for each in kinds
    ]


@given(text=ANY_TEXT, skip=st.booleans())
def test_any_text_is_encoded_and_decoded(every_class: list[PreTrainedTokenizer], text: str, skip: bool) -> None:
    for tokenizer in every_class:
        encoded = tokenizer(text, return_offsets_mapping=True)
        assert len(encoded["input_ids"]) == len(encoded["offset_mapping"]) == len(encoded["attention_mask"])
        assert all(0 <= index < len(tokenizer) for index in encoded["input_ids"])
        tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
        assert tokenizer.convert_tokens_to_ids(tokens) == encoded["input_ids"]
        assert isinstance(tokenizer.decode(encoded["input_ids"], skip_special_tokens=skip), str)
        assert isinstance(tokenizer.convert_tokens_to_string(tokens), str)


@given(ids=st.lists(st.integers(0, 299), max_size=20))
def test_any_ids_are_decoded(every_class: list[PreTrainedTokenizer], ids: list[int]) -> None:
    for tokenizer in every_class:
        known = [index for index in ids if index < len(tokenizer)]
        assert isinstance(tokenizer.decode(known), str)
        assert tokenizer.batch_decode([known, known]) == [tokenizer.decode(known)] * 2
