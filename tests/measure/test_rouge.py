import pytest

from bartleby.errors import DataError
from bartleby.measure.rouge import KINDS, rouge, rouge_each

pytest.importorskip("rouge_score", reason='rouge-score is not installed: pip install "bartleby[measure]"')


def test_the_same_text_has_all_of_itself() -> None:
    assert rouge(["A cat sat."], ["A cat sat."]) == dict.fromkeys(KINDS, 1.0)


def test_figures_are_f_measures_of_words_in_common() -> None:
    found = rouge(["the cat sat down"], ["the cat lay"])
    assert found["rouge1"] == pytest.approx(2 * 2 / (4 + 3))  # the, cat
    assert found["rouge2"] == pytest.approx(2 * 1 / (3 + 2))  # the cat
    assert found["rougeL"] == pytest.approx(2 * 2 / (4 + 3))


def test_words_are_stemmed_and_case_does_not_count() -> None:
    assert rouge(["Networks"], ["network"])["rouge1"] == 1.0


def test_lsum_takes_sentences_in_any_order() -> None:
    found = rouge(["Dogs bark. Cats sleep."], ["Cats sleep. Dogs bark."])
    assert found["rougeLsum"] == 1.0
    assert found["rougeL"] == pytest.approx(0.5)
    assert rouge(["Dogs bark.\nCats sleep."], ["Cats sleep. Dogs bark."]) == found


def test_the_mean_is_over_texts() -> None:
    texts, references = ["a b", "x y z", ""], ["a b", "p q r", "s"]
    each = rouge_each(texts, references)
    assert [figures["rouge1"] for figures in each] == [1.0, 0.0, 0.0]
    assert rouge(texts, references)["rouge1"] == pytest.approx(1 / 3)


def test_every_text_needs_its_reference() -> None:
    with pytest.raises(DataError, match="one reference for each of 2"):
        rouge(["a", "b"], ["a"])
