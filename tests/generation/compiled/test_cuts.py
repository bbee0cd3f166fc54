import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.generation import cuts as definition
from bartleby.generation.compiled.cuts import TRANSLATIONS, log_softmax
from bartleby.generation.scores import log_softmax as defined_log_softmax
from tests.generation.compiled.numpy_arrays import NumpyArrays

VOCABULARY = 12
CUTS = [
    definition.Temperature(0.7),
    definition.TopH(0.4),
    definition.TopK(3),
    definition.TopK(1, 3),
    definition.TopK(99),
    definition.TopP(0.6),
    definition.TopP(0.01, 3),
    definition.TopP(0.99),
    definition.MinP(0.3),
    definition.MinP(1.0, 3),
    definition.TypicalP(0.6),
    definition.TypicalP(0.01, 3),
    definition.EpsilonCutoff(0.1),
    definition.EpsilonCutoff(0.9, 2),
    definition.EtaCutoff(0.1),
    definition.EtaCutoff(0.9, 2),
    definition.Normalize(),
]
# Whole numbers, so that there are ties.
Rows = st.lists(
    st.lists(st.one_of(st.integers(-4, 4), st.just(-np.inf)), min_size=VOCABULARY, max_size=VOCABULARY),
    min_size=3,
    max_size=3,
)


def test_every_cut_of_the_definition_is_here() -> None:
    assert {*TRANSLATIONS} == {*definition.CUTS} == {type(cut) for cut in CUTS}


@pytest.mark.parametrize("cut", CUTS, ids=repr)
@settings(max_examples=30)
@given(Rows)
def test_it_keeps_what_the_definition_keeps(cut, rows: list) -> None:
    scores = np.array(rows, dtype=np.float32)
    found = TRANSLATIONS[type(cut)](NumpyArrays(), cut)(scores)
    np.testing.assert_allclose(found, cut(np.zeros((3, 1), dtype=np.int64), scores), rtol=1e-6)


@given(Rows)
def test_rows_with_nothing_possible_stay_impossible(rows: list) -> None:
    scores = np.array([*rows, [-np.inf] * VOCABULARY], dtype=np.float32)
    np.testing.assert_allclose(log_softmax(NumpyArrays(), scores), defined_log_softmax(scores), rtol=1e-6)
