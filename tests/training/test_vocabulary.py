from pathlib import Path

import numpy as np
import pytest

from bartleby.errors import TokenizerError
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.byte_level import BartTokenizer, BlenderbotTokenizer
from bartleby.training.vocabulary import learn_tokenizer

TEXTS = ["A sentence to learn from.", "Another sentence,\nand a line.", "From sentence to sentence."] * 5


@pytest.fixture(scope="module")
def tokenizer() -> BartTokenizer:
    learnt = learn_tokenizer(BartTokenizer, iter(TEXTS), 290)
    assert isinstance(learnt, BartTokenizer)
    return learnt


def test_special_tokens_are_where_the_published_vocabulary_has_them(tokenizer: BartTokenizer) -> None:
    assert len(tokenizer) == 290
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3, 289]) == ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    assert tokenizer.mask_token_id == 289
    assert tokenizer("A <mask> line.")["input_ids"].count(289) == 1
    assert sorted(tokenizer.get_vocab().values()) == list(range(290))


def test_merges_are_those_learnt(tokenizer: BartTokenizer) -> None:
    other = BartTokenizer().train_new_from_iterator(TEXTS, 290)
    for text in TEXTS:
        assert tokenizer.tokenize(text) == other.tokenize(text)
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_it_is_saved_and_loaded_as_what_it_is(tokenizer: BartTokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(loaded, BartTokenizer)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded.mask_token_id == 289
    assert loaded("A <mask> line.")["input_ids"] == tokenizer("A <mask> line.")["input_ids"]


def test_texts_and_pairs_are_batched_as_by_any_other(tokenizer: BartTokenizer) -> None:
    rows = tokenizer(TEXTS[:2], padding=True, return_tensors="np")
    assert np.array_equal(rows["input_ids"] == 1, rows["attention_mask"] == 0)
    assert tokenizer("A line.", "A text.")["input_ids"].count(2) == 3


def test_few_texts_give_a_smaller_vocabulary_and_too_small_a_one_is_refused() -> None:
    small = learn_tokenizer(BartTokenizer, ["ab"], 400)
    assert len(small) < 270
    assert small.mask_token_id == len(small) - 1
    with pytest.raises(TokenizerError, match="`vocab_size` must be at least 261"):
        learn_tokenizer(BartTokenizer, TEXTS, 100)


def test_other_kinds_have_their_own_order() -> None:
    other = learn_tokenizer(BlenderbotTokenizer, TEXTS, 290)
    assert isinstance(other, BlenderbotTokenizer)
    assert other.get_vocab() == BlenderbotTokenizer().train_new_from_iterator(TEXTS, 290).get_vocab()
