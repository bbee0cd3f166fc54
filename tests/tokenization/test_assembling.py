import pytest

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer

FIRST, SECOND = "Hello world", "My friends are cool"


def plain(tokenizer: BartTokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def test_ids_are_laid_out_as_texts_are(bart: BartTokenizer) -> None:
    first, second = plain(bart, FIRST), plain(bart, SECOND)
    encoded = bart(FIRST, SECOND, return_special_tokens_mask=True, return_token_type_ids=True)
    assert bart.build_inputs_with_special_tokens(first, second) == encoded["input_ids"]
    assert bart.get_special_tokens_mask(first, second) == encoded["special_tokens_mask"]
    assert bart.create_token_type_ids_from_sequences(first, second) == encoded["token_type_ids"]
    assert (
        bart.get_special_tokens_mask(encoded["input_ids"], already_has_special_tokens=True)
        == encoded["special_tokens_mask"]
    )
    assert bart.num_special_tokens_to_add() == 2
    assert bart.num_special_tokens_to_add(pair=True) == 4


def test_blenderbot_ends_a_sequence_and_ignores_a_second(blenderbot: BlenderbotTokenizer) -> None:
    assert blenderbot.build_inputs_with_special_tokens([5, 6]) == [5, 6, 2]
    assert blenderbot.build_inputs_with_special_tokens([5, 6], [7]) == [5, 6, 2]
    assert blenderbot.num_special_tokens_to_add() == 1


@pytest.mark.parametrize("pair", [False, True])
def test_preparing_ids_equals_calling_with_text(bart: BartTokenizer, pair: bool) -> None:
    second = plain(bart, SECOND) if pair else None
    for options in ({}, {"padding": "max_length", "max_length": 40}, {"truncation": True, "max_length": 9}):
        called = bart(FIRST, SECOND if pair else None, **options)
        assert bart.prepare_for_model(plain(bart, FIRST), second, **options) == called


def test_tokens_and_ids_pass_for_text(bart: BartTokenizer) -> None:
    ids = plain(bart, FIRST)
    assert bart.encode(bart.tokenize(FIRST)) == bart.encode(ids) == bart.encode(FIRST)
    assert bart.encode(ids, SECOND) == bart.encode(FIRST, SECOND)
    assert bart.encode(ids, return_tensors="np").tolist() == bart.encode(FIRST, return_tensors="np").tolist()
    assert bart.encode(["no such token"])[1:-1] == [bart.unk_token_id]
    with pytest.raises(TokenizerError, match="tokens or ids"):
        bart.encode([None])


def test_what_is_cut_off_is_told(bart: BartTokenizer) -> None:
    ids = list(range(10, 20))
    encoded = bart.prepare_for_model(ids, truncation=True, max_length=8, stride=2, return_overflowing_tokens=True)
    assert encoded["input_ids"] == [0, *ids[:6], 2]
    assert encoded["overflowing_tokens"] == ids[4:]
    assert encoded["num_truncated_tokens"] == 4


@pytest.mark.parametrize(
    ("side", "kept", "overflow"), [("right", [1, 2, 3], [3, 4, 5]), ("left", [3, 4, 5], [1, 2, 3])]
)
def test_sequences_lose_ids_on_the_chosen_side(
    bart: BartTokenizer, side: str, kept: list[int], overflow: list[int]
) -> None:
    bart.truncation_side = side  # type: ignore[assignment]
    assert bart.truncate_sequences([1, 2, 3, 4, 5], num_tokens_to_remove=2, stride=1) == (kept, None, overflow)
    assert bart.truncate_sequences([1], [1, 2, 3, 4, 5], 2, "only_second", 1) == ([1], kept, overflow)
    assert bart.truncate_sequences([1, 2], None, 0) == ([1, 2], None, [])


def test_both_of_two_may_lose_ids(bart: BartTokenizer) -> None:
    assert bart.truncate_sequences([1, 2, 3], [4, 5, 6], 2) == ([1, 2], [4, 5], [])


def test_laid_out_ids_are_one_list(bart: BartTokenizer) -> None:
    with pytest.raises(TokenizerError, match="one list"):
        bart.get_special_tokens_mask([0, 2], [2], already_has_special_tokens=True)
