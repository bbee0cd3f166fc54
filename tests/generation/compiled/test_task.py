import numpy as np

from bartleby.generation.compiled.task import GOING_ON, NO_TOKEN, NOT_WRITTEN, Written
from tests.generation.compiled.markov_reader import task_of
from tests.generation.compiled.numpy_arrays import NumpyArrays
from tests.generation.markov import EOS, PAD, START
from tests.generation.test_search import options_of

XP = NumpyArrays()


def test_rules_see_no_token_where_prompts_are_padding() -> None:
    padding = np.array([[True, False]])
    task = task_of(options_of(max_length=4), [[4]], [[PAD, START]], padding=padding)
    seen = []
    task.rules.append(lambda writing, scores: seen.append(writing) or scores)
    task.ruled(XP, np.array([[[PAD, START, 5, PAD]] * 2]), 3, np.zeros((2, 12), dtype=np.float32))
    assert seen[0].ids.tolist() == [[NO_TOKEN, START, 5, PAD]] * 2
    assert (seen[0].length, seen[0].copies, seen[0].first) == (3, 2, 2)


def test_no_token_ends_where_none_is_said_to() -> None:
    tokens = np.array([[EOS, 5, 7]])
    assert task_of(options_of(eos_token_id=[EOS, 7]), [[4]], [[START]]).ends(XP, tokens).tolist() == [
        [True, False, True]
    ]
    assert not task_of(options_of(eos_token_id=-1), [[4]], [[START]]).ends(XP, tokens).any()


def test_outputs_are_filled_up_with_pad_or_else_with_the_end() -> None:
    assert task_of(options_of(), [[4]], [[START]]).filler == PAD
    assert task_of(options_of(pad_token_id=None), [[4]], [[START]]).filler == EOS
    assert task_of(options_of(pad_token_id=None, eos_token_id=None), [[4]], [[START]]).filler == 0


def test_there_is_room_for_outputs_that_hold_only_the_prompt() -> None:
    written = Written.nothing(XP, task_of(options_of(max_length=4), [[4], [5]], [[START, 5], [START, 6]]), 2, 0.0)
    assert written.ids.tolist() == [[[START, 5, PAD, PAD]] * 2, [[START, 6, PAD, PAD]] * 2]
    assert {*written.reasons.flat} == {GOING_ON}
    assert {*written.trail.flat} == {NOT_WRITTEN}
    both = Written.joined(XP, [written, written._replace(scores=written.scores + 1)])
    assert both.take(XP, np.array([[0, 3], [2, 1]])).scores.tolist() == [[0, 1], [1, 0]]
