import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.measure.words import check_pairs, ngrams, sentences, words


def test_words_are_lower_case_and_marks_stand_alone() -> None:
    assert words("Don't stop, I said!") == ["don't", "stop", ",", "i", "said", "!"]
    assert words("  \n") == []


@given(st.lists(st.integers(), max_size=9), st.integers(1, 4))
def test_every_run_is_an_ngram(items: list[int], size: int) -> None:
    found = ngrams([str(item) for item in items], size)
    assert len(found) == max(0, len(items) - size + 1)
    assert all(len(gram) == size for gram in found)


def test_a_line_is_cut_behind_its_full_stops() -> None:
    text = 'It works. "Does it?" he asked! Version 1.5 does'
    assert sentences(text) == ["It works.", '"Does it?"', "he asked!", "Version 1.5 does"]


def test_lines_are_sentences_where_there_are_several() -> None:
    assert sentences("One. Two.\n\n three ") == ["One. Two.", "three"]
    assert sentences(" \n ") == []


@given(st.text(alphabet="ab .!?\"'\n", max_size=40))
def test_no_letter_is_lost(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_outputs_and_references_come_in_pairs() -> None:
    with pytest.raises(DataError, match="one reference for each of 2 outputs, but are 1"):
        check_pairs(["a", "b"], ["a"])
    with pytest.raises(DataError, match="at least one output"):
        check_pairs([], [])
