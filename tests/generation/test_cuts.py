import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bartleby.generation.config import GenerationConfig
from bartleby.generation.cuts import (
    CUTS,
    EpsilonCutoff,
    EtaCutoff,
    MinP,
    Normalize,
    Temperature,
    TopH,
    TopK,
    TopP,
    TypicalP,
    cuts_for,
)
from bartleby.generation.scores import entropy, log_softmax

VOCABULARY = 12
Logits = st.lists(st.floats(-50, 50, width=32), min_size=VOCABULARY, max_size=VOCABULARY)
Moderate = st.lists(st.floats(-5, 5, width=32), min_size=VOCABULARY, max_size=VOCABULARY)
"""No token is so unlikely that its surprise is lost in float32."""
NOTHING = np.zeros((1, 0), dtype=np.int64)
Cuts = st.one_of(
    st.builds(TopH, st.floats(0.01, 1)),
    st.builds(TopK, st.integers(1, 20), st.integers(1, 3)),
    *(st.builds(kind, st.floats(0.001, 0.999), st.integers(1, 3)) for kind in (TopP, MinP, TypicalP)),
    *(st.builds(kind, st.floats(1e-5, 0.5), st.integers(1, 3)) for kind in (EpsilonCutoff, EtaCutoff)),
)


def kept_by(cut, logits: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens stay, and the probabilities there were."""
    scores = np.array([logits], dtype=np.float32)
    return np.isfinite(cut(NOTHING, scores)[0]), np.exp(log_softmax(scores.astype(np.float64)))[0]


@given(Cuts, Logits)
def test_a_cut_leaves_at_least_so_many_tokens_as_they_were(cut, logits: list[float]) -> None:
    scores = np.array([logits], dtype=np.float32)
    after = cut(NOTHING, scores)
    assert after.dtype == np.float32
    assert np.isfinite(after).sum() >= getattr(cut, "at_least", 1)
    assert (after[np.isfinite(after)] == scores[np.isfinite(after)]).all()


@given(Cuts)
def test_where_nothing_is_possible_nothing_becomes_so(cut) -> None:
    impossible = np.full((1, VOCABULARY), -np.inf, dtype=np.float32)
    assert np.isneginf(cut(NOTHING, impossible)).all()


@given(Cuts, Logits)
def test_all_cuts_but_the_typical_one_keep_the_likeliest(cut, logits: list[float]) -> None:
    assume(not isinstance(cut, TypicalP))
    stays, probabilities = kept_by(cut, logits)
    assert probabilities[stays].max() == probabilities.max()
    assert probabilities[stays].min() >= probabilities[~stays].max(initial=0) - 1e-6


@given(Logits, st.floats(0.1, 10))
def test_temperature_changes_no_order(logits: list[float], temperature: float) -> None:
    scores = np.array([logits], dtype=np.float32)
    cooled = Temperature(temperature)(NOTHING, scores)
    assert (np.diff(cooled[0][scores[0].argsort()]) >= 0).all()


@given(Logits, st.integers(1, 20), st.integers(1, 3))
def test_top_k_keeps_the_best_and_their_ties(logits: list[float], count: int, at_least: int) -> None:
    scores = np.array([logits], dtype=np.float32)
    kept = np.isfinite(TopK(count, at_least)(NOTHING, scores)[0])
    wanted = min(max(count, at_least), VOCABULARY)
    assert kept.sum() >= wanted
    assert (scores[0] > scores[0][kept].min()).sum() < wanted
    assert scores[0][kept].min() > scores[0][~kept].max(initial=-np.inf)


@given(Logits, st.floats(0.01, 0.99), st.integers(1, 3))
def test_top_p_keeps_the_smallest_set_that_is_likely_enough(logits: list[float], share: float, at_least: int) -> None:
    scores = np.array([logits], dtype=np.float32)
    kept = np.isfinite(TopP(share, at_least)(NOTHING, scores)[0])
    probabilities = np.exp(log_softmax(scores.astype(np.float64)))[0]
    assert probabilities[kept].sum() >= share - 1e-5
    assert kept.sum() == at_least or probabilities[kept].sum() - probabilities[kept].min() <= share + 1e-5
    assert probabilities[kept].min() >= probabilities[~kept].max(initial=0)


@given(Logits, st.floats(0.01, 0.99))
def test_min_p_measures_by_the_likeliest(logits: list[float], share: float) -> None:
    stays, probabilities = kept_by(MinP(share), logits)
    assert probabilities[stays].min() >= share * probabilities.max() * (1 - 1e-5)
    assert probabilities[~stays].max(initial=0) <= share * probabilities.max() * (1 + 1e-5)


@given(Logits, st.floats(1e-4, 0.5))
def test_epsilon_is_a_floor_and_eta_is_no_higher(logits: list[float], epsilon: float) -> None:
    stays, probabilities = kept_by(EpsilonCutoff(epsilon), logits)
    best = probabilities.max()
    assert probabilities[stays].min() >= min(epsilon, best) * (1 - 1e-5)
    assert (kept_by(EtaCutoff(epsilon), logits)[0] >= stays).all()


@given(Moderate, st.floats(0.05, 0.95))
def test_typical_tokens_are_as_surprising_as_expected_and_likely_enough(logits: list[float], share: float) -> None:
    stays, probabilities = kept_by(TypicalP(share), logits)
    assert probabilities[stays].sum() >= share - 1e-4
    strangeness = np.abs(-np.log(probabilities) - entropy(np.log(probabilities)[None]))[0]
    assert strangeness[stays].max() <= strangeness[~stays].min(initial=np.inf) + 1e-4


def test_top_h_spends_its_share_of_the_entropy() -> None:
    flat = [0.0] * VOCABULARY
    assert [int(kept_by(TopH(share), flat)[0].sum()) for share in (0.01, 0.51, 1.0)] == [1, 6, VOCABULARY]


@given(Logits)
def test_normalized_scores_are_log_probabilities(logits: list[float]) -> None:
    scores = np.array([[*logits[1:], -np.inf]], dtype=np.float32)
    assert np.exp(Normalize()(NOTHING, scores)).sum() == pytest.approx(1, abs=1e-5)


def test_options_ask_for_cuts_in_their_order() -> None:
    asked = {
        "temperature": 0.7,
        "top_h": 0.5,
        "top_p": 0.9,
        "min_p": 0.1,
        "typical_p": 0.9,
        "epsilon_cutoff": 1e-3,
        "eta_cutoff": 1e-3,
        "renormalize_logits": True,
    }
    cuts = list(cuts_for(GenerationConfig(do_sample=True, **asked)))
    assert tuple(type(cut) for cut in cuts) == CUTS
    assert {cut.setting for cut in cuts} == {*asked, "top_k"}
    assert list(cuts_for(GenerationConfig(do_sample=True, top_k=0))) == []
    assert list(cuts_for(GenerationConfig(renormalize_logits=True))) == [Normalize()]


def test_beams_keep_something_to_go_on_with_beside_the_ends() -> None:
    for beams, at_least in ((1, 1), (2, 3)):
        options = GenerationConfig(do_sample=True, top_k=1, num_beams=beams, eos_token_id=[2, 7])
        assert list(cuts_for(options)) == [TopK(1, at_least)]
