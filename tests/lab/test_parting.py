import numpy as np
import pytest

from bartleby.generation.config import GenerationConfig
from bartleby.lab.parting import Judge, partings

GREEDY = GenerationConfig(decoder_start_token_id=2, eos_token_id=2, max_new_tokens=5)
BEAMS = GenerationConfig(decoder_start_token_id=2, eos_token_id=2, max_new_tokens=5, num_beams=2)


class Fixed:
    """A definition that gives every next token the same scores."""

    name, dtype = "fixed", "float64"

    def __init__(self, scores):
        self.scores = np.array(scores, dtype=np.float64)

    def forward(self, sources, targets, room=0):
        return [np.tile(self.scores, (len(target), 1)) for target in targets]


NEARLY_TIED = Fixed([0.0, 3.0, 1.0, 3.0 - 1e-9])


def test_equal_answers_do_not_part():
    assert partings([[1, 2]], [[1, 2]], [[5]], Judge(NEARLY_TIED, "conditional_generation", GREEDY)) == []


def test_a_tie_has_no_margin_and_an_error_has_one():
    judge = Judge(NEARLY_TIED, "conditional_generation", GREEDY)
    [tie, error] = partings([[1, 1], [1, 2]], [[1, 3], [0, 2]], [[5], [6]], judge)
    assert (tie.source, tie.place, tie.tokens) == (0, 1, (1, 3))
    assert tie.margin == pytest.approx(1e-9, rel=1e-3)
    assert (error.source, error.place, error.margin) == (1, 0, 3.0)
    assert str(error) == "answer 1 parts at token 0: 1 or 0, scored 3.0e+00 apart"


def test_greedy_search_that_stops_early_has_no_excuse():
    [parting] = partings([[1, 1, 2]], [[1, 1]], [[5]], Judge(NEARLY_TIED, "conditional_generation", GREEDY))
    assert parting.margin == float("inf")
    assert parting.tokens == (2, None)
    assert "2 or the end" in str(parting)


def test_answers_of_beams_are_compared_as_wholes():
    judge = Judge(NEARLY_TIED, "conditional_generation", BEAMS)
    [parting] = partings([[1, 3, 1]], [[3, 1, 3]], [[5]], judge)
    assert 0 < parting.margin < 1e-9
    likely = np.array(NEARLY_TIED.scores) - np.log(np.exp(NEARLY_TIED.scores).sum())
    assert judge.total([5], [1, 2]) == pytest.approx((likely[1] + likely[2]) / 2)


def test_the_shortfall_is_that_of_the_worst_choice_and_minds_the_rules():
    judge = Judge(NEARLY_TIED, "conditional_generation", GREEDY)
    assert judge.shortfall([5], [1, 2]) == 2.0
    assert judge.shortfall([5], [1, 1]) == 0.0
    suppressed = GenerationConfig(**{**GREEDY.to_diff_dict(), "suppress_tokens": [1, 3]})
    assert Judge(NEARLY_TIED, "conditional_generation", suppressed).shortfall([5], [2, 2]) == 0.0


def test_a_decoder_alone_reads_its_answer_behind_the_source():
    class Places(Fixed):
        def forward(self, sources, targets, room=0):
            return [np.arange(len(source) * 4, dtype=np.float64).reshape(-1, 4) for source in sources]

    judge = Judge(Places([0.0]), "causal_lm", GREEDY)
    scores = judge.scores([9, 9, 9], [3, 1])
    assert scores.tolist() == [[8, 9, 10, 11], [12, 13, 14, 15]]
