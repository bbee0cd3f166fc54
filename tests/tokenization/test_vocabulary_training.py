import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartleby.errors import TokenizerError
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer

TEXTS = ["Hello world", "Hello there, world", "the world is round"] * 3


def test_special_tokens_have_the_ids_the_model_expects() -> None:
    blenderbot = BlenderbotTokenizer().train_new_from_iterator(TEXTS, 300)
    assert [blenderbot.convert_ids_to_tokens(index) for index in range(5)] == [
        "<pad>",
        "<s>",
        "</s>",
        "<unk>",
        "<mask>",
    ]
    assert blenderbot("world <mask>").tokens()[1] == " <mask>"  # the mask takes the space before it
    assert len(blenderbot) == blenderbot.vocab_size <= 300


def test_frequent_words_become_one_token() -> None:
    trained = BlenderbotTokenizer().train_new_from_iterator(TEXTS, 300)
    assert trained.tokenize("world Hello") == ["Ġworld", "ĠHello"]


def test_texts_may_come_in_batches_and_from_generators() -> None:
    wanted = BartTokenizer().train_new_from_iterator(TEXTS, 290).get_vocab()
    assert BartTokenizer().train_new_from_iterator(iter(TEXTS), 290).get_vocab() == wanted
    assert BartTokenizer().train_new_from_iterator([TEXTS[:4], TEXTS[4:]], 290, length=9).get_vocab() == wanted


def test_special_tokens_can_be_renamed_and_added(bart: BartTokenizer) -> None:
    bart.add_special_tokens({"additional_special_tokens": ["<a>"]})
    trained = bart.train_new_from_iterator(
        TEXTS, 300, new_special_tokens=["<b>"], special_tokens_map={"<mask>": "[MASK]", "<a>": "<c>"}
    )
    assert trained.mask_token == "[MASK]"
    assert trained.mask_token_id == 4
    assert trained.added_tokens_decoder[4].lstrip
    assert trained.additional_special_tokens == ["<c>", "<b>"]
    assert trained.additional_special_tokens_ids == [5, 6]
    assert "<mask>" not in trained.get_vocab()


def test_the_options_of_the_first_go_to_the_second() -> None:
    first = BlenderbotTokenizer(add_prefix_space=False, model_max_length=77, padding_side="left")
    second = first.train_new_from_iterator(TEXTS, 300)
    assert (second.add_prefix_space, second.model_max_length, second.padding_side) == (False, 77, "left")
    assert second("Hello")["input_ids"] != second(" Hello")["input_ids"]


def test_a_vocabulary_too_small_for_all_bytes_is_refused() -> None:
    with pytest.raises(TokenizerError, match="`vocab_size` must be at least 261"):
        BartTokenizer().train_new_from_iterator(TEXTS, 260)
    assert len(BartTokenizer().train_new_from_iterator(TEXTS, 261)) == 261


def test_the_trainer_has_its_own_options() -> None:
    rare = BartTokenizer().train_new_from_iterator(["abc def"], 400, min_frequency=2)
    assert len(rare) == 261


@given(text=st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_text_is_unknown(trained_bart: BartTokenizer, text: str) -> None:
    ids = trained_bart(text, split_special_tokens=True, add_special_tokens=False)["input_ids"]
    assert trained_bart.unk_token_id not in ids
    assert trained_bart.decode(ids, clean_up_tokenization_spaces=False) == text
