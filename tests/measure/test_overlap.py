import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.measure.overlap import answer, answers, bleu, plain_words


def test_bleu_of_the_references_themselves_is_100_and_tells_how_it_was_computed() -> None:
    pytest.importorskip("sacrebleu", reason='sacrebleu is not installed: pip install "bartleby[measure]"')
    texts = ["the cat sat on the mat today", "it was a very sunny day"]
    found = bleu(texts, [[text] for text in texts])
    assert found.value == pytest.approx(100)
    assert "tok:13a" in found.signature


def test_bleu_takes_unequal_numbers_of_references() -> None:
    pytest.importorskip("sacrebleu", reason='sacrebleu is not installed: pip install "bartleby[measure]"')
    texts = ["the cat sat on the mat today", "it was a very sunny day"]
    good = [["no such words", texts[0]], [texts[1]]]
    assert bleu(texts, good).value == pytest.approx(100)
    assert bleu(texts, [["no such words"], [texts[1]]]).value < 80
    with pytest.raises(DataError, match="index 1 has none"):
        bleu(texts, [["a"], []])
    with pytest.raises(DataError, match="index 0 has none"):
        bleu(texts, ["a", "b"])


def test_answers_are_compared_without_articles_punctuation_and_case() -> None:
    assert plain_words("The  Eiffel-Tower, (a) sight!") == ["eiffeltower", "sight"]
    assert answer("the Tower.", ["tower"]).exact_match == 1.0


def test_words_in_common_count_with_their_number() -> None:
    assert answer("very very good", ["very good"]).f1 == pytest.approx(2 * 2 / 5)
    assert answer("bad", ["very good"]).f1 == 0.0


def test_the_best_reference_counts() -> None:
    found = answer("in paris", ["london", "paris", "in the paris of 1900"])
    assert (found.exact_match, found.f1) == (0.0, pytest.approx(2 * 2 / (2 + 4)))


def test_no_answer_is_right_only_where_there_is_none() -> None:
    assert answer("", [""]).f1 == answer("", [""]).exact_match == 1.0
    assert answer("paris", [""]).f1 == answer("", ["paris"]).f1 == 0.0


@given(st.lists(st.text(alphabet="abc the.", max_size=12), min_size=1, max_size=5))
def test_an_answer_that_is_a_reference_is_wholly_right(texts: list[str]) -> None:
    found = answers(texts, [[text] for text in texts])
    assert (found.exact_match, found.f1) == (1.0, 1.0)


def test_figures_are_means_over_answers() -> None:
    found = answers(["a b c", "x"], [["b c"], ["y"]])
    assert (found.exact_match, found.f1) == (0.5, 0.5)
    with pytest.raises(DataError, match="at least one output"):
        answers([], [])
