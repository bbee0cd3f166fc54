import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer, BartTokenizerFast, BlenderbotTokenizer

TEXTS = ["Hello world", "My friends are cool but they eat too many carbs.", ""]
any_texts = st.lists(st.text(max_size=30), max_size=5)
keep_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


# ---- padding and truncation ------------------------------------------------------------------------------------------


@given(texts=any_texts, side=st.sampled_from(["left", "right"]))
@keep_fixture
def test_padding_adds_pads_on_one_side_and_masks_them(trained_bart: BartTokenizer, texts: list[str], side: Any) -> None:
    plain = trained_bart(texts)["input_ids"]
    batch = trained_bart(texts, padding=True, padding_side=side)
    longest = max(map(len, plain), default=0)
    for row, mask, ids in zip(batch["input_ids"], batch["attention_mask"], plain, strict=True):
        assert len(row) == len(mask) == longest
        real = slice(len(row) - len(ids), None) if side == "left" else slice(len(ids))
        assert row[real] == ids
        assert mask[real] == [1] * len(ids)
        assert sum(mask) == len(ids)


@given(text=st.text(max_size=60), limit=st.integers(3, 20), side=st.sampled_from(["left", "right"]))
@keep_fixture
def test_a_cut_text_is_the_nearer_part_of_the_whole(
    trained_bart: BartTokenizer, text: str, limit: int, side: Any
) -> None:
    bart = BartTokenizer(tokenizer_object=trained_bart.backend_tokenizer, truncation_side=side)
    whole, cut = bart(text)["input_ids"][1:-1], bart(text, truncation=True, max_length=limit)["input_ids"][1:-1]
    assert len(cut) == min(len(whole), limit - 2)
    assert cut == (whole[: len(cut)] if side == "right" else whole[len(whole) - len(cut) :])


@given(text=st.text(max_size=80), limit=st.integers(4, 12), stride=st.integers(0, 1))
@keep_fixture
def test_the_windows_of_a_long_text_hold_every_token_of_it(
    trained_bart: BartTokenizer, text: str, limit: int, stride: int
) -> None:
    whole = trained_bart(text)["input_ids"][1:-1]
    batch = trained_bart(text, truncation=True, max_length=limit, stride=stride, return_overflowing_tokens=True)
    rows = [row[1:-1] for row in batch["input_ids"]]
    joined = rows[0] + [index for row in rows[1:] for index in row[stride:]]
    assert joined == whole
    assert all(len(row) <= limit - 2 for row in rows)
    assert all(row[:stride] == before[-stride or len(before) :] for before, row in pairwise(rows))
    assert batch["overflow_to_sample_mapping"] == [0] * len(rows)


def test_windows_say_which_text_they_are_of(bart: BartTokenizer) -> None:
    batch = bart(TEXTS, truncation=True, max_length=8, padding=True, return_overflowing_tokens=True)
    samples = batch["overflow_to_sample_mapping"]
    assert samples == sorted(samples)
    assert set(samples) == {0, 1, 2}
    assert {len(row) for row in batch["input_ids"]} == {8}


def test_the_chosen_sequence_of_a_pair_is_cut(bart: BartTokenizer) -> None:
    first, second = (bart(text, add_special_tokens=False)["input_ids"] for text in TEXTS[:2])
    only_second = bart(*TEXTS[:2], truncation="only_second", max_length=len(first) + 4 + 3)["input_ids"]
    assert only_second == [0, *first, 2, 2, *second[:3], 2]
    only_first = bart(*TEXTS[:2], truncation="only_first", max_length=len(second) + 4 + 1)["input_ids"]
    assert only_first == [0, first[0], 2, 2, *second, 2]
    with pytest.raises(TokenizerError, match="only_first"):
        bart(*TEXTS[:2], truncation="only_first", max_length=8)


def test_long_texts_are_kept_whole_and_warned_of_once(
    blenderbot: BlenderbotTokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(blenderbot("word " * 300)["input_ids"]) > 128
        blenderbot("word " * 300)
    assert caplog.text.count("but the model is made for 128") == 1
    assert len(blenderbot("word " * 300, truncation=True)["input_ids"]) == 128


# ---- shapes of input and output --------------------------------------------------------------------------------------


def test_a_batch_is_its_texts_one_by_one(bart: BartTokenizer) -> None:
    assert bart(TEXTS)["input_ids"] == [bart(text)["input_ids"] for text in TEXTS]
    assert bart(TEXTS, TEXTS[::-1])["input_ids"][1] == bart(TEXTS[1], TEXTS[1])["input_ids"]
    assert bart.batch_encode_plus(TEXTS) == bart(TEXTS)
    assert (
        bart.batch_encode_plus([("a", "b"), ("c", "d")])
        == bart(["a", "c"], ["b", "d"])
        == bart([("a", "b"), ("c", "d")])
    )


def test_nothing_in_nothing_out(bart: BartTokenizer) -> None:
    assert bart([]) == {"input_ids": [], "attention_mask": []}
    assert bart("")["input_ids"] == [0, 2]
    assert bart("", add_special_tokens=False)["input_ids"] == []
    assert bart([""], padding=True)["input_ids"] == [[0, 2]]


def test_an_empty_second_text_counts_in_a_batch_only(bart: BartTokenizer) -> None:
    alone = bart("Hello")["input_ids"]
    assert bart("Hello", "")["input_ids"] == alone
    assert bart(["Hello"], [""])["input_ids"] == [[*alone, 2, 2]]


def test_what_is_asked_for_is_what_comes(bart: BartTokenizer) -> None:
    asked = {f"return_{name}": True for name in ("token_type_ids", "special_tokens_mask", "offsets_mapping", "length")}
    encoded = bart("Hello", "world", return_attention_mask=False, **asked)
    assert list(encoded) == ["input_ids", "token_type_ids", "special_tokens_mask", "offset_mapping", "length"]
    assert encoded["special_tokens_mask"][0] == encoded["special_tokens_mask"][-1] == 1
    assert encoded["length"] == [len(encoded["input_ids"])]


def test_targets_become_labels(bart: BartTokenizer) -> None:
    encoded = bart(TEXTS, text_target=TEXTS[::-1])
    assert encoded["labels"] == bart(TEXTS)["input_ids"][::-1]
    assert bart(text_target=TEXTS) == bart(TEXTS)
    with bart.as_target_tokenizer():
        assert bart(TEXTS) == bart(text_target=TEXTS)


def test_the_older_door_for_both_is_the_same(blenderbot: BlenderbotTokenizer) -> None:
    batch = blenderbot.prepare_seq2seq_batch(TEXTS, TEXTS[::-1], max_length=9, max_target_length=5)
    assert batch["input_ids"] == blenderbot(TEXTS, padding="longest", truncation=True, max_length=9)["input_ids"]
    assert batch["labels"] == blenderbot(TEXTS[::-1], padding="longest", truncation=True, max_length=5)["input_ids"]


def test_words_need_the_space_that_tells_them_apart(bart: BartTokenizer, blenderbot: BlenderbotTokenizer) -> None:
    words = ["Hello", "world", "!"]
    encoded = blenderbot(words, is_split_into_words=True)
    assert encoded["input_ids"] == blenderbot("Hello world !")["input_ids"]
    assert [word for word in dict.fromkeys(encoded.word_ids()) if word is not None] == [0, 1, 2]
    assert bart(words, is_split_into_words=True)["input_ids"] == bart(" Hello world !")["input_ids"]
    assert bart([words, words[:1]], is_split_into_words=True)["input_ids"][1] == bart(" Hello")["input_ids"]
    fast = BartTokenizerFast(tokenizer_object=bart.backend_tokenizer)
    with pytest.raises(TokenizerError, match="add_prefix_space=True"):
        fast(words, is_split_into_words=True)
    assert (
        fast(words, is_split_into_words=True, add_prefix_space=True)["input_ids"] == bart(" Hello world !")["input_ids"]
    )


def test_one_call_may_have_its_own_settings(bart: BartTokenizer) -> None:
    assert bart("Hello", add_prefix_space=True)["input_ids"] == bart(" Hello")["input_ids"]
    assert bart("Hello")["input_ids"] != bart(" Hello")["input_ids"]
    split = bart("</s>", split_special_tokens=True, add_special_tokens=False)["input_ids"]
    assert len(split) > 1
    assert bart.decode(split) == "</s>"
    assert bart("</s>", add_special_tokens=False)["input_ids"] == [2]


def test_ids_alone(bart: BartTokenizer) -> None:
    assert bart.encode("Hello", "world") == bart("Hello", "world")["input_ids"]
    assert bart.encode("Hello", return_tensors="np").shape == (1, len(bart.encode("Hello")))
    assert bart.tokenize("Hello") == bart("Hello").tokens()[1:-1]
    assert bart.tokenize("Hello", add_special_tokens=True)[0] == "<s>"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (None, {}, "give `text` or `text_target`"),
        (5, {}, "`text` must be a string or a list of strings, but is 5"),
        ({"a": 1}, {}, "must be a string or a list"),
        ("Hello", {"is_split_into_words": True}, "must be a list of words"),
        (["a", "b"], {"text_pair": "c"}, "`text_pair` must be a list of 2 texts"),
        (["a", "b"], {"text_pair": ["c"]}, "`text_pair` must be a list of 2 texts, as `text` is, but is 1"),
        ([("a", "b"), "c"], {}, "number 1 must be a pair"),
        ("a", {"paddng": True}, "Did you mean `padding`"),
        ("a", {"padding_side": "top"}, "`padding_side` must be 'left' or 'right'"),
    ],
)
def test_what_is_no_text_or_no_option_is_refused(bart: BartTokenizer, text: Any, options: Any, said: str) -> None:
    with pytest.raises(TokenizerError, match=said):
        bart(text, **options)


def test_what_is_no_text_is_a_type_error_too(bart: BartTokenizer) -> None:
    doors: list[Any] = [bart.tokenize, bart.encode, bart.encode_plus, bart.batch_encode_plus]
    for door in doors:
        with pytest.raises(TypeError):
            door(None)


def test_older_names_of_options_still_count(bart: BartTokenizer) -> None:
    long = "Hello world " * 9
    cut = bart(long, max_length=7, truncation=True, padding="max_length")["input_ids"]
    assert bart(long, max_length=7, truncation_strategy="longest_first", pad_to_max_length=True)["input_ids"] == cut
    assert len(bart("Hi", max_length=7, truncation=True, pad_to_max_length=True)["input_ids"]) == 7
    with pytest.raises(TokenizerError, match="needs two sequences"):
        bart(long, max_length=7, truncation_strategy="only_second")


def test_options_may_come_in_a_dictionary(bart: BartTokenizer) -> None:
    assert bart("Hello", tokenizer_kwargs={"add_special_tokens": False}) == bart("Hello", add_special_tokens=False)


def test_preparing_a_text_puts_the_space_before_it(bart: BartTokenizer, blenderbot: BlenderbotTokenizer) -> None:
    assert bart.prepare_for_tokenization("Hello") == ("Hello", {})
    assert bart.prepare_for_tokenization("Hello", add_prefix_space=True, other=1) == (" Hello", {"other": 1})
    assert bart.prepare_for_tokenization("Hello", is_split_into_words=True) == (" Hello", {})
    assert blenderbot.prepare_for_tokenization("Hello") == (" Hello", {})
    assert blenderbot.prepare_for_tokenization("\tHello") == ("\tHello", {})
    assert blenderbot.prepare_for_tokenization("") == ("", {})


def test_threads_with_different_lengths_do_not_disturb_each_other(trained_bart: BartTokenizer) -> None:
    def cut(limit: int) -> list[int]:
        options: dict[str, Any] = {"truncation": True, "padding": "max_length", "max_length": limit}
        return [len(row) for _ in range(20) for row in trained_bart(TEXTS * 5, **options)["input_ids"]]

    with ThreadPoolExecutor(8) as pool:
        for limit, lengths in zip(range(4, 12), pool.map(cut, range(4, 12)), strict=True):
            assert set(lengths) == {limit}
