import numpy as np
import pytest

from bartleby.errors import TokenizerError
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training.lexicon import Lexicon

TEXT = 'Say it. Who? "I," he said, "pay 3.14 now."\nA new line.\n\nAnother…'


@pytest.fixture(scope="module")
def tokenizer() -> BartTokenizer:
    return BartTokenizer().train_new_from_iterator([TEXT] * 20, vocab_size=420)


def pieces(tokenizer: BartTokenizer, row: np.ndarray, starts: np.ndarray) -> list[str]:
    return [tokenizer.decode(piece.tolist()) for piece in np.split(row, starts[1:])]


def test_words_begin_behind_spaces_and_line_breaks(tokenizer: BartTokenizer) -> None:
    lexicon, row = Lexicon.of(tokenizer), np.array(tokenizer("Say it now.\nA line.")["input_ids"])
    inner = row[lexicon.content(row)]
    starts = np.flatnonzero(lexicon.word_starts(inner))
    assert pieces(tokenizer, inner, starts) == ["Say", " it", " now.", "\n", "A", " line."]


def test_sentences_end_at_full_stops_before_a_word_and_at_line_breaks(tokenizer: BartTokenizer) -> None:
    lexicon, row = Lexicon.of(tokenizer), np.array(tokenizer(TEXT)["input_ids"])
    inner = row[lexicon.content(row)]
    assert pieces(tokenizer, inner, lexicon.sentence_starts(inner)) == [
        "Say it.",
        " Who?",
        ' "I," he said, "pay 3.14 now."\n',
        "A new line.\n\n",
        "Another…",
    ]


def test_what_is_special_is_no_content_and_never_drawn(tokenizer: BartTokenizer) -> None:
    lexicon = Lexicon.of(tokenizer)
    special = tokenizer.all_special_ids
    assert not set(lexicon.ordinary) & set(special)
    assert len(lexicon.ordinary) + len(special) == len(tokenizer)
    assert lexicon.content(np.array([0, 2])) == slice(2, 2)
    assert lexicon.content(np.array([0, 7, 2, 8, 2])) == slice(1, 4)
    assert lexicon.content(np.array([7, 8])) == slice(0, 2)


def test_a_text_of_nothing_has_no_words_and_no_sentences(tokenizer: BartTokenizer) -> None:
    lexicon, none = Lexicon.of(tokenizer), np.zeros(0, dtype=np.int64)
    assert lexicon.word_starts(none).size == lexicon.sentence_starts(none).size == 0


def test_words_of_blenderbot_small_go_on_behind_a_joiner() -> None:
    vocabulary = {"__null__": 0, "__start__": 1, "__end__": 2, "__unk__": 3, "he@@": 4, "llo": 5, ".": 6}
    tokenizer = BlenderbotSmallTokenizer(vocab=vocabulary, merges=[], mask_token="__null__")
    lexicon = Lexicon.of(tokenizer)
    assert lexicon.word_starts(np.array([4, 5, 6, 5])).tolist() == [True, False, True, True]
    assert lexicon.sentence_starts(np.array([4, 5, 6, 5])).tolist() == [0, 3]


def test_without_a_mask_token_nothing_can_be_masked() -> None:
    with pytest.raises(TokenizerError, match="must have a mask token"):
        Lexicon.of(BartTokenizer(mask_token=None).train_new_from_iterator([TEXT], vocab_size=300))
