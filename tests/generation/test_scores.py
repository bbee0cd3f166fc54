import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation.scores import banned, entropy, forced, kept, log_softmax, surprise

VOCABULARY = 12
Logits = st.lists(st.floats(-50, 50, width=32), min_size=VOCABULARY, max_size=VOCABULARY)


@given(Logits)
def test_log_probabilities_add_up_to_one_and_keep_what_is_impossible(logits: list[float]) -> None:
    scores = np.array([logits, [-np.inf] * VOCABULARY, [*logits[:-1], -np.inf]], dtype=np.float32)
    log_probabilities = log_softmax(scores)
    assert np.exp(log_probabilities).sum(axis=1) == pytest.approx([1, 0, 1], abs=1e-5)
    assert (np.isneginf(log_probabilities) == np.isneginf(scores)).all()


@given(Logits)
def test_entropy_is_what_the_tokens_surprise_by_and_at_most_that_of_a_fair_die(logits: list[float]) -> None:
    scores = np.array([logits, [0.0] * VOCABULARY, [0.0] + [-np.inf] * (VOCABULARY - 1)], dtype=np.float32)
    undecided = entropy(log_softmax(scores))
    assert undecided.shape == (3, 1)
    assert 0 <= undecided[0, 0] <= undecided[1, 0] + 1e-5
    assert undecided[1:, 0] == pytest.approx([np.log(VOCABULARY), 0], abs=1e-6)
    assert (surprise(log_softmax(scores)) >= 0).all()


def test_what_is_banned_or_not_forced_is_impossible() -> None:
    scores = np.ones((1, 4), dtype=np.float32)
    assert banned(scores, (1, 2)).tolist() == [[1, -np.inf, -np.inf, 1]]
    assert forced(scores, (1, 2)).tolist() == [[-np.inf, 0, 0, -np.inf]]
    assert kept(scores, np.array([[True, False, False, True]])).tolist() == [[1, -np.inf, -np.inf, 1]]
    assert scores.tolist() == [[1, 1, 1, 1]]
