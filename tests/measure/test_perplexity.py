import math

import numpy as np
import pytest

from bartleby.errors import DataError
from bartleby.measure.perplexity import perplexity


def test_a_blind_guess_among_v_words_has_perplexity_v() -> None:
    assert perplexity([np.full(7, -math.log(50))]).value == pytest.approx(50)


def test_certainty_has_perplexity_one() -> None:
    figure = perplexity([[0.0, 0.0], [0.0]])
    assert (figure.value, figure.tokens, figure.bits_per_token) == (1.0, 3, 0.0)


def test_tokens_count_the_same_however_texts_are_cut() -> None:
    log_probs = -np.arange(1.0, 7.0)
    whole = perplexity([log_probs])
    assert perplexity([log_probs[:1], log_probs[1:]]) == whole
    assert whole.value == pytest.approx(math.exp(3.5))  # not the mean of the two texts' perplexities


def test_an_impossible_token_makes_it_infinite() -> None:
    assert perplexity([[-1.0, -np.inf]]).value == math.inf


def test_many_float32_values_lose_no_digits() -> None:
    log_probs = np.full(3_000_000, -0.1, dtype=np.float32)
    assert perplexity([log_probs]).value == pytest.approx(math.exp(float(np.float32(0.1))), rel=1e-12)


@pytest.mark.parametrize("wrong", [0.5, math.nan])
def test_what_is_no_log_probability_is_refused(wrong: float) -> None:
    with pytest.raises(DataError, match="sequence 1 has"):
        perplexity([[-1.0], [-1.0, wrong]])


def test_nothing_has_no_perplexity() -> None:
    with pytest.raises(DataError, match="at least one token"):
        perplexity([[]])
