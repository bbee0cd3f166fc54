from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.generation import rules as definition
from bartleby.generation.compiled.rules import TRANSLATIONS, applied, packed
from bartleby.generation.compiled.task import NO_TOKEN, Writing
from bartleby.generation.cuts import CUTS
from tests.generation.compiled.markov_reader import padded
from tests.generation.compiled.numpy_arrays import NumpyArrays

VOCABULARY, ROOM = 12, 9
SOURCES = [[4, 5, 6, 4, 5, 7], [8, 8], []]
TEXTS = tuple(np.array(source, dtype=np.int64) for source in SOURCES)
RULES = [
    definition.SequenceBias((((4,), 2.0), ((5, 6), -3.0), ((7, 5, 6), 1.0), ((3,) * 12, 9.0))),
    definition.SourceRepetitionBonus(2.0, TEXTS),
    definition.RepetitionPenalty(1.7),
    definition.NoRepeatNgram(1),
    definition.NoRepeatNgram(2),
    definition.NoRepeatNgram(3),
    definition.NoRepeatNgram(20),
    definition.NoSourceNgram(1, TEXTS),
    definition.NoSourceNgram(2, TEXTS),
    definition.NoSourceNgram(3, TEXTS),
    definition.NoSourceNgram(9, TEXTS),
    definition.BadWords(((4,), (5, 6), (7, 6), (7, 5, 6), (3,) * 12)),
    definition.MinLength(4, (2, 7)),
    definition.MinLength(2, (2,)),
    definition.ForcedStart(5),
    definition.ForcedEnd(ROOM, (2, 7)),
    definition.RemoveInvalid(),
    definition.GrowingEnd(3, 1.5, (2, 7)),
    definition.SuppressTokens((1, 2)),
    definition.SuppressTokensAtStart((1, 2), 2),
    definition.SuppressTokensAtStart((1, 2), 4),
    definition.ForcedTokens(((2, 5), (4, 6))),
]
Scores = st.lists(
    st.one_of(st.floats(-50, 50, width=32), st.sampled_from([-np.inf, 0.0])), min_size=VOCABULARY, max_size=VOCABULARY
)


def test_every_rule_of_the_definition_is_here_but_the_callers_own_function() -> None:
    assert {*TRANSLATIONS} == {*definition.RULE_ORDER} - {*CUTS, definition.OnlyAllowed}
    assert {type(rule) for rule in RULES} == {*TRANSLATIONS}


@pytest.mark.parametrize("is_known", [True, False], ids=["known length", "traced length"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{type(rule).__name__}{len(fields(rule))}")
@settings(max_examples=20)
@given(
    ids=st.lists(st.lists(st.integers(3, 8), min_size=ROOM, max_size=ROOM), min_size=6, max_size=6),
    scores=st.lists(Scores, min_size=6, max_size=6),
    length=st.integers(2, ROOM - 1),
)
def test_it_does_what_the_definition_does(rule, is_known: bool, ids: list, scores: list, length: int) -> None:
    written, likely = np.array(ids, dtype=np.int32), np.array(scores, dtype=np.float32)
    (function,) = applied(NumpyArrays(), [rule], ROOM, padded(SOURCES))
    writing = Writing(written, length if is_known else np.int32(length), 2, length if is_known else 1)
    rows = np.repeat(np.arange(3), 2)
    expected = definition.apply_rules([rule], written[:, :length].astype(np.int64), likely, rows)
    found = function(writing, likely)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rules_for_the_first_step_cost_the_others_nothing() -> None:
    (start, late) = applied(NumpyArrays(), [definition.ForcedStart(5), definition.SuppressTokensAtStart((1,), 2)], ROOM)
    scores = np.zeros((1, VOCABULARY), dtype=np.float32)
    behind = Writing(np.zeros((1, ROOM), dtype=np.int32), np.int32(5), 1, first=2)
    assert start(behind, scores) is scores
    assert late(behind, scores) is scores


def test_rules_about_sources_say_what_they_lack() -> None:
    with pytest.raises(OptionError, match="`encoder_no_repeat_ngram_size` reads the ids of the sources"):
        applied(NumpyArrays(), [definition.NoSourceNgram(2, ())], ROOM)


def test_padding_is_packed_behind_the_text_wherever_it_stood() -> None:
    ids = np.array([[5, 6, 7, 0], [0, 0, 8, 9], [4, 0, 0, 5]], dtype=np.int32)
    mask = np.array([[1, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]])
    none = NO_TOKEN
    assert packed(NumpyArrays(), ids, mask).tolist() == [[5, 6, 7, none], [8, 9, none, none], [4, 5, none, none]]
    assert packed(NumpyArrays(), ids, None) is ids
