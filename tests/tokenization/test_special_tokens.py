import pytest
from tokenizers import AddedToken

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer
from bartleby.tokenization.special_tokens import NAMES, PATTERNS


def test_named_tokens_and_their_ids(bart: BartTokenizer, blenderbot: BlenderbotTokenizer) -> None:
    assert [getattr(bart, f"{name}_id") for name in NAMES] == [0, 2, 3, 2, 1, 0, 4]
    assert (blenderbot.pad_token_id, blenderbot.bos_token_id, blenderbot.eos_token_id) == (0, 1, 2)
    assert bart.all_special_tokens == ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]
    assert bart.all_special_ids == [0, 2, 3, 1, 4]
    assert list(bart.special_tokens_map) == list(NAMES)


def test_a_named_token_can_be_set_by_text_and_by_id(blenderbot: BlenderbotTokenizer) -> None:
    blenderbot.eos_token = "<s>"
    assert blenderbot.eos_token_id == 1
    assert blenderbot("")["input_ids"] == [1]
    blenderbot.eos_token_id = 3
    assert blenderbot.eos_token == "<unk>"
    assert blenderbot("")["input_ids"] == [3]
    blenderbot.mask_token = None
    assert blenderbot.mask_token_id is None
    assert "mask_token" not in blenderbot.special_tokens_map


def test_a_token_outside_the_vocabulary_is_unknown_until_it_is_added(bart: BartTokenizer, caplog) -> None:
    bart.pad_token = "[PAD]"
    assert "tokenizer.add_special_tokens({'pad_token': '[PAD]'})" in caplog.text
    assert (bart.pad_token, bart.pad_token_id, len(bart)) == ("[PAD]", bart.unk_token_id, 420)
    assert bart.all_special_ids == [0, 2, 3, 3, 4]
    assert bart(["a", "a b c"], padding=True)["input_ids"][0][-1] == bart.unk_token_id
    with pytest.raises(TokenizerError, match="`pad_token_id` 99999"):
        bart.pad_token_id = 99_999
    caplog.clear()
    assert bart.add_special_tokens({"pad_token": "[PAD]"}) == 1
    assert bart.pad_token_id == 420 == len(bart) - 1
    assert bart(["a", "a b c"], padding=True)["input_ids"][0][-1] == 420
    assert caplog.text == ""


def test_a_token_of_the_pattern_is_unknown_until_it_is_added(bart: BartTokenizer) -> None:
    bart.sep_token = "<new>"
    hello = bart("Hello", add_special_tokens=False)["input_ids"]
    unknown = bart.unk_token_id
    assert bart("Hello")["input_ids"] == [0, *hello, unknown] == bart.build_inputs_with_special_tokens(hello)
    assert bart.tokenize("<new>") != ["<new>"]
    bart.add_tokens(["<new>"], special_tokens=True)
    assert bart("Hello")["input_ids"] == [0, *hello, 420]


def test_where_unk_is_missing_too_there_is_no_id(bart: BartTokenizer) -> None:
    ids = bart("Hello")["input_ids"]
    bart.unk_token = "<other>"
    assert bart.unk_token_id is None
    assert bart.all_special_ids == [0, 2, 1, 4]
    assert bart("Hello")["input_ids"] == ids
    bart.sep_token = "<new>"
    assert bart.sep_token_id is None
    with pytest.raises(TokenizerError, match="needs sep_token: set it, and add it to the vocabulary"):
        bart("Hello")


def test_a_token_that_was_only_named_is_added_when_it_is_loaded(bart: BartTokenizer, tmp_path) -> None:
    bart.sep_token = "<new>"
    bart.save_pretrained(tmp_path)
    loaded = BartTokenizer.from_pretrained(tmp_path)
    assert (loaded.sep_token, loaded.sep_token_id, len(loaded)) == ("<new>", 420, 421)
    assert loaded("Hello")["input_ids"][-1] == 420


def test_added_tokens_are_never_split(bart: BartTokenizer) -> None:
    assert bart.add_tokens(["<new>", "</s>"]) == 1
    assert bart.add_tokens("<new>") == 0
    assert bart.tokenize("a<new>b") == ["a", "<new>", "b"]
    assert bart.get_added_vocab()["<new>"] == 420
    assert bart.vocab_size == 420 == len(bart) - 1
    assert bart.decode(bart("a<new>b")["input_ids"], skip_special_tokens=True) == "a<new>b"


def test_how_an_added_token_matches_is_up_to_it(bart: BartTokenizer) -> None:
    bart.add_tokens(
        [AddedToken("<l>", lstrip=True), AddedToken("<r>", rstrip=True), AddedToken("ab", single_word=True)]
    )
    assert bart("x <l> y", add_special_tokens=False).tokens()[1] == " <l>"
    assert bart("x <r> y", add_special_tokens=False).tokens()[-2] == "<r> "
    assert bart.get_vocab()["ab"] not in bart("xabx")["input_ids"]
    assert bart.get_vocab()["ab"] in bart("x ab x")["input_ids"]


def test_additional_special_tokens_replace_or_join(bart: BartTokenizer) -> None:
    assert bart.add_special_tokens({"additional_special_tokens": ["<a>", "<b>"]}) == 2
    assert bart.add_special_tokens({"extra_special_tokens": ["<c>"]}, replace_additional_special_tokens=False) == 1
    assert bart.additional_special_tokens == bart.extra_special_tokens == ["<a>", "<b>", "<c>"]
    assert bart.additional_special_tokens_ids == [420, 421, 422]
    assert bart.special_tokens_map["additional_special_tokens"] == ["<a>", "<b>", "<c>"]
    bart.add_special_tokens({"additional_special_tokens": ["<d>"]})
    assert bart.additional_special_tokens == ["<d>"]
    assert bart.decode(bart("x<d>")["input_ids"], skip_special_tokens=True) == "x"
    assert bart.sanitize_special_tokens() == 0


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ({"pad": "x"}, "unknown keys"),
        ({"pad_token": 5}, "`pad_token` must be non-empty strings"),
        ({"pad_token": ""}, "`pad_token` must be non-empty strings"),
        ({"additional_special_tokens": "<a>"}, "must be a list"),
        ({"additional_special_tokens": [None]}, "non-empty strings"),
    ],
)
def test_what_is_no_special_token_is_refused(bart: BartTokenizer, tokens: dict[str, object], said: str) -> None:
    with pytest.raises(TokenizerError, match=said):
        bart.add_special_tokens(tokens)
    assert len(bart) == 420


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_lays_out_text_as_it_lays_out_ids(bart: BartTokenizer, pattern: str) -> None:
    bart.special_tokens_pattern = pattern
    first, second = (bart(text, add_special_tokens=False)["input_ids"] for text in ("Hello", "my friends"))
    assert bart("Hello")["input_ids"] == bart.build_inputs_with_special_tokens(first)
    encoded = bart("Hello", "my friends", return_token_type_ids=True, return_special_tokens_mask=True)
    assert encoded["input_ids"] == bart.build_inputs_with_special_tokens(first, second)
    assert encoded["token_type_ids"] == bart.create_token_type_ids_from_sequences(first, second)
    assert encoded["special_tokens_mask"] == bart.get_special_tokens_mask(first, second)
    assert encoded.sequence_ids().count(1) == len(second)
    assert bart.num_special_tokens_to_add(True) == sum(encoded["special_tokens_mask"])


def test_the_documented_patterns(bart: BartTokenizer) -> None:
    assert bart.build_inputs_with_special_tokens([7], [8]) == [0, 7, 2, 2, 8, 2]
    bart.special_tokens_pattern = "bos_eos"
    assert bart.build_inputs_with_special_tokens([7], [8]) == [0, 7, 2, 8, 2]
    bart.special_tokens_pattern = "eos"
    assert bart.build_inputs_with_special_tokens([7], [8]) == [7, 2, 8, 2]


def test_a_refused_assignment_changes_nothing(bart: BartTokenizer) -> None:
    with pytest.raises(TokenizerError, match="'cls_double_sep'"):
        bart.special_tokens_pattern = "bert"
    assert bart.special_tokens_pattern == "cls_double_sep"
    assert bart("Hello")["input_ids"][-1] == 2


def test_a_token_may_be_missing_until_it_is_needed(bart: BartTokenizer) -> None:
    bart.sep_token_id = None
    assert bart.sep_token is None
    assert bart("Hello", "you", add_special_tokens=False)["input_ids"]
    with pytest.raises(TokenizerError, match="needs sep_token"):
        bart("Hello")
    with pytest.raises(TokenizerError, match="needs sep_token"):
        bart.build_inputs_with_special_tokens([7])
    bart.sep_token = "</s>"
    assert bart.build_inputs_with_special_tokens([7]) == [0, 7, 2]
    assert bart("Hello")["input_ids"][-1] == 2


def test_additional_special_tokens_can_be_picked_by_id(bart: BartTokenizer) -> None:
    bart.additional_special_tokens_ids = [5, 6]
    assert bart.additional_special_tokens == bart.convert_ids_to_tokens([5, 6])
    bart.extra_special_tokens_ids = []
    assert bart.additional_special_tokens == []
    with pytest.raises(TokenizerError, match=r"\[100000\] are not in the vocabulary"):
        bart.additional_special_tokens_ids = [100_000]


def test_adding_nothing_adds_nothing(bart: BartTokenizer) -> None:
    assert bart.add_tokens("") == 0
    assert bart.add_special_tokens({}) == 0


def test_a_token_may_hold_a_colon(bart: BartTokenizer) -> None:
    bart.special_tokens_pattern = "eos"
    bart.add_special_tokens({"eos_token": "end:1"})
    assert bart("")["input_ids"] == [420]


def test_older_scripts_find_the_tokens_themselves(bart: BartTokenizer) -> None:
    token = AddedToken("[end]", lstrip=True, special=True)
    bart.add_special_tokens({"eos_token": token})
    assert bart._eos_token == token
    assert bart._pad_token == "<pad>"
    bart._pad_token = None
    assert bart.pad_token is bart._pad_token is None
