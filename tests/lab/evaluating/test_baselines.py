import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.lab.evaluating.baselines import TfIdf, first_sentence, most_frequent
from bartleby.measure.words import words

TEXTS = ["cats sleep all day", "dogs bark all day", "the moon is far", "dogs and cats"]
DRAWN = st.lists(st.text(alphabet="abc ", max_size=10), min_size=1, max_size=6)


def test_the_nearest_text_shares_the_rarest_words():
    index = TfIdf(TEXTS)
    assert index.nearest("is the moon made of cheese?") == 2
    assert index.nearest("dogs bark at cats") == 1
    assert index.nearest("dogs bark at cats", besides=[1]) == 3
    assert index.nearest("anything", besides=range(4)) is None
    assert TfIdf([]).nearest("anything") is None


@given(DRAWN, st.text(alphabet="abc ", max_size=10))
def test_similarities_are_cosines(texts, query):
    index = TfIdf(texts)
    found = index.similarities(query)
    assert found == pytest.approx([index.similarity(query, text) for text in texts], abs=1e-9)
    assert np.all((found > -1e-9) & (found < 1 + 1e-9))


@given(DRAWN)
def test_a_known_text_is_most_similar_to_itself(texts):
    index = TfIdf(texts)
    for place, text in enumerate(texts):
        if words(text):
            assert index.similarities(text)[place] == pytest.approx(1) == index.similarity(text, text)


def test_the_most_frequent_is_the_first_of_several():
    assert most_frequent(["no", "yes", "yes", "no", "oh"]) == "no"


def test_the_first_sentence_is_on_the_first_line_that_has_one():
    assert first_sentence("\n It rains. It pours.\nThe old man") == "It rains."
    assert first_sentence(" \n") == ""
