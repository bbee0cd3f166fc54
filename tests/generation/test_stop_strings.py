from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.generation.stop_strings import StopTable, byte_steps, spaced_out, spelling_of, stop_table
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer
from bartleby.tokenization.byte_level import BartTokenizer

LETTERS = "ab é😀\n"
TEXTS = ["aab baba abé é😀 😀😀 ab\nab", "ba ab é ab", "bab a b 😀ab"]
BYTE_LEVEL = BartTokenizer().train_new_from_iterator(TEXTS * 4, vocab_size=300)
WORDS = ["__null__", "__start__", "__end__", "__unk__", *"abims.'", "a@@", "b@@", "ab@@", "bab", "c", ",", "?"]
SMALL = BlenderbotSmallTokenizer(vocab={word: place for place, word in enumerate(WORDS)}, merges=[])


def hit(table: StopTable, ids: list[int]) -> bool:
    """Whether the last of `ids` completes a stop string."""
    *earlier, last = ids[-table.window :]
    state = 0
    for token in earlier:
        state = int(table.after[state, token])
    return bool(table.hits[state, last])


def completes(before: bytes, text: bytes, words: list[bytes]) -> bool:
    """Whether one of `words` stands in `text` and ends behind `before`: the same, said plainly."""
    return any(text.startswith(word, at) for word in words for at in range(len(text)) if at + len(word) > len(before))


def small_text(ids: list[int]) -> bytes:
    return " ".join(WORDS[index] for index in ids).replace("@@ ", "").removesuffix("@@").encode()


@given(st.lists(st.text(LETTERS, min_size=1, max_size=5), min_size=1, max_size=3), st.data())
def test_a_row_stops_where_its_bytes_complete_a_stop_string(words: list[str], data: st.DataObject) -> None:
    texts = spelling_of(BYTE_LEVEL).texts
    likely = [index for index, text in texts.items() if set(text) <= set(LETTERS.encode())]
    ids = data.draw(st.lists(st.sampled_from(likely), min_size=1, max_size=12))
    *before, last = [texts[index] for index in ids]
    wanted = completes(b"".join(before), b"".join([*before, last]), [word.encode() for word in words])
    assert hit(stop_table(BYTE_LEVEL, words), ids) == wanted


@given(st.lists(st.text("ab m.'", min_size=1, max_size=5), min_size=1, max_size=3), st.data())
def test_words_have_a_space_between_them(words: list[str], data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.sampled_from(range(4, len(WORDS))), min_size=1, max_size=10))
    wanted = completes(
        small_text(ids[:-1]), small_text(ids), [form.encode() for word in words for form in (word, spaced_out(word))]
    )
    assert hit(stop_table(SMALL, words), ids) == wanted


@pytest.mark.parametrize("text", ["ab.", "i'm", "a, b?", "ab"])
def test_text_is_found_as_the_tokenizer_decodes_it(text: str) -> None:
    ids = SMALL(f"a {text}")["input_ids"]
    assert SMALL.decode(ids) == f"a {text}"
    found = [place for place in range(len(ids)) if hit(stop_table(SMALL, [text]), ids[: place + 1])]
    assert found == [len(ids) - 1]


def test_without_cleaning_up_punctuation_stands_alone() -> None:
    tokenizer = BlenderbotSmallTokenizer(vocab=SMALL.get_vocab(), merges=[], clean_up_tokenization_spaces=False)
    ids = tokenizer("ab.")["input_ids"]
    assert not hit(stop_table(tokenizer, ["ab."]), ids)
    assert hit(stop_table(tokenizer, ["ab ."]), ids)


def test_a_character_may_lie_in_several_tokens() -> None:
    table = stop_table(BYTE_LEVEL, ["😀"])
    letters = {text: index for index, text in spelling_of(BYTE_LEVEL).texts.items() if len(text) == 1}
    pieces = [letters[bytes([byte])] for byte in "😀".encode()]
    assert [hit(table, pieces[: length + 1]) for length in range(4)] == [False, False, False, True]


def test_special_tokens_are_text_too() -> None:
    assert hit(stop_table(BYTE_LEVEL, ["</s>"]), [BYTE_LEVEL.eos_token_id])
    assert hit(stop_table(SMALL, ["a __end__"]), SMALL.convert_tokens_to_ids(["a", "__end__"]))


def test_ids_without_a_token_interrupt() -> None:
    table = stop_table(SMALL, ["a b"])
    a, b = SMALL.convert_tokens_to_ids(["a", "b"])
    assert hit(table, [a, b])
    assert not hit(table, [a, len(WORDS), b])


def test_strings_that_cannot_stop_anything_are_refused_together() -> None:
    with pytest.raises(OptionError, match=r"3 faults(.|\n)*not empty(.|\n)*no token has 'Z'(.|\n)*holds 7"):
        stop_table(SMALL, ["", "abZ", 7])  # type: ignore[list-item]
    with pytest.raises(OptionError, match="must hold a string"):
        stop_table(SMALL, [])


def test_other_kinds_of_tokenizers_are_refused() -> None:
    class Sentences:
        def get_vocab(self) -> dict[str, int]:
            return {"▁a": 0}

        def convert_tokens_to_string(self, tokens: list[str]) -> str:
            return "".join(tokens).replace("▁", " ")

    with pytest.raises(OptionError, match="Sentences is neither"):
        stop_table(Sentences(), ["a"])


def test_a_word_inside_another_is_found_on_the_way() -> None:
    steps, ends = byte_steps([b"abcd", b"bc"])
    state, seen = 0, []
    for byte in b"abcd":
        state = int(steps[state, byte])
        seen.append(bool(ends[state]))
    assert seen == [False, False, True, True]
    assert steps.shape == (7, 256)
    assert np.flatnonzero(steps[0]).tolist() == [ord("a"), ord("b")]
