import numpy as np

from bartleby.generation.compiled.rows import RowSearch
from bartleby.generation.compiled.task import BLOCKED, EOS, GOING_ON, LENGTH
from tests.generation.compiled.markov_reader import task_of
from tests.generation.compiled.numpy_arrays import NumpyArrays
from tests.generation.markov import EOS as END
from tests.generation.markov import PAD, START, VOCABULARY
from tests.generation.test_search import options_of


def logits(*tokens: int) -> np.ndarray:
    return np.eye(VOCABULARY, dtype=np.float32)[list(tokens)]


def test_rows_that_have_ended_stay_as_they_are_while_others_go_on() -> None:
    search = RowSearch(NumpyArrays(), task_of(options_of(max_length=4), [[4], [5]], [[START]] * 2))
    state, parents, _ = search.advance(search.start(), logits(END, 5))
    assert parents is None
    assert state.written.reasons.tolist() == [[EOS], [GOING_ON]]
    assert search.settled(state).tolist() == [True, False]
    score = state.written.scores[0, 0]
    for token in (6, 7):
        state, _, _ = search.advance(state, logits(8, token))
    assert state.written.ids.tolist() == [[[START, END, PAD, PAD]], [[START, 5, 6, 7]]]
    assert state.written.reasons.tolist() == [[EOS], [LENGTH]]
    assert (state.written.scores[0, 0], state.written.lengths.tolist()) == (score, [[1], [3]])


def test_copies_of_a_source_go_on_from_its_one_first_row() -> None:
    options = options_of(do_sample=True, num_return_sequences=2, max_length=5)
    noise = np.zeros((2, 2, VOCABULARY), dtype=np.float32)
    noise[:, 1, 9] = 99
    search = RowSearch(NumpyArrays(), task_of(options, [[4], [5]], [[START]] * 2, noise=lambda length, rows: noise))
    state, parents, _ = search.advance(search.start(), logits(4, 5))
    assert parents.tolist() == [[0, 0], [1, 1]]
    assert state.written.ids[:, :, 1].tolist() == [[4, 9], [5, 9]]


def test_what_may_not_go_on_is_blocked() -> None:
    task = task_of(options_of(suppress_tokens=[*range(VOCABULARY)]), [[4]], [[START]])
    search = RowSearch(NumpyArrays(), task)
    state, _, _ = search.advance(search.start(), logits(4))
    assert state.written.reasons.tolist() == [[BLOCKED]]
    assert state.written.lengths.tolist() == [[0]]
