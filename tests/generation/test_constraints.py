from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.generation.constraints import (
    Constraint,
    ConstraintListState,
    DisjunctiveConstraint,
    DisjunctiveTrie,
    PhrasalConstraint,
    constraints_of,
)


class Repeated(Constraint):
    """A constraint of a caller's: one token, several times in a row."""

    def __init__(self, token: int, times: int, wrong: str = "") -> None:
        self.token, self.times, self.done, self.wrong = token, times, 0, wrong
        self.seqlen = times
        super().__init__()

    def advance(self) -> Any:
        return np.array([self.token])  # a list of tokens in any form

    def does_advance(self, token_id: int) -> bool:
        return token_id == self.token and self.wrong != "stuck"

    def update(self, token_id: int) -> tuple[bool, bool, bool]:
        steps = self.does_advance(token_id)
        self.done = self.done + 1 if steps else 0
        return steps, self.done == self.times and self.wrong != "endless", not steps

    def reset(self) -> None:
        self.done = 0

    def remaining(self) -> int:
        return self.times - self.done + (self.wrong == "miscounted")

    def copy(self, stateful: bool = False) -> Repeated:
        other = Repeated(self.token, self.times)
        other.done = self.done if stateful else 0
        return other


def followed(constraint: Constraint, tokens: list[int]) -> list[tuple[bool, bool, bool]]:
    return [constraint.update(token) for token in tokens]


def test_a_phrase_is_fulfilled_token_by_token() -> None:
    phrase = PhrasalConstraint([5, 6, 7])
    assert (phrase.seqlen, phrase.advance(), phrase.remaining(), phrase.completed) == (3, 5, 3, False)
    assert phrase.does_advance(5)
    assert not phrase.does_advance(6)
    assert followed(phrase, [5, 6]) == [(True, False, False)] * 2
    assert (phrase.advance(), phrase.remaining()) == (7, 1)
    assert phrase.update(7) == (True, True, False)
    assert (phrase.advance(), phrase.remaining(), phrase.completed) == (None, 0, True)


def test_a_wrong_token_breaks_a_phrase() -> None:
    phrase = PhrasalConstraint([5, 6])
    assert followed(phrase, [5, 9]) == [(True, False, False), (False, False, True)]
    assert (phrase.advance(), phrase.remaining()) == (5, 2)


def test_a_choice_is_fulfilled_by_one_of_its_phrases() -> None:
    choice = DisjunctiveConstraint([[1, 2, 3], [1, 2, 4, 5], [1, 2, 5]])
    assert (choice.seqlen, choice.advance(), choice.remaining()) == (4, [1], 4)
    assert followed(choice, [1, 2]) == [(True, False, False)] * 2
    assert choice.current_seq == [1, 2]
    assert choice.update(4) == (True, False, False)
    assert (choice.advance(), choice.remaining()) == ([5], 1)
    assert choice.update(5) == (True, True, False)
    assert (choice.advance(), choice.remaining(), choice.completed) == (None, 0, True)
    choice.reset()
    assert followed(choice, [1, 9]) == [(True, False, False), (False, False, True)]
    assert (choice.current_seq, choice.completed) == ([], False)


def test_copies_are_fresh_unless_they_are_to_have_come_as_far() -> None:
    for constraint in (PhrasalConstraint([5, 6]), DisjunctiveConstraint([[5, 6], [7]]), Repeated(5, 2)):
        constraint.update(5)
        assert (constraint.copy().remaining(), constraint.copy(stateful=True).remaining()) == (2, 1)


@pytest.mark.parametrize("wrong", [5, [], None, (5, 6), [5, "6"], [-1], [[5]]])
def test_phrases_must_be_lists_of_token_ids(wrong: Any) -> None:
    with pytest.raises(OptionError, match="token_ids"):
        PhrasalConstraint(wrong)


@pytest.mark.parametrize(
    "wrong", [5, [], [5, 6], [[]], [[5], [6, -1]], [(5, 6)], [[1, 2], [1, 2, 3]], [[1, 2], [1, 2]], None]
)
def test_choices_must_be_lists_of_phrases_none_of_which_begins_another(wrong: Any) -> None:
    with pytest.raises(ValueError, match="nested_token_ids"):
        DisjunctiveConstraint(wrong)


def test_a_trie_may_be_told_to_let_one_phrase_begin_another() -> None:
    trie = DisjunctiveTrie([[1, 2], [1, 2, 3], [4]], no_subsets=False)
    assert trie.next_tokens([]) == [1, 4]
    assert trie.next_tokens([1, 2]) == [3]
    assert trie.reached_leaf([4])
    assert trie.count_leaves(trie.trie) == 2


@pytest.mark.parametrize("constraint", [PhrasalConstraint([5]), DisjunctiveConstraint([[5], [6]])])
def test_tokens_must_be_ints(constraint: Constraint) -> None:
    for method in (constraint.does_advance, constraint.update, ConstraintListState([constraint]).add):
        with pytest.raises(OptionError, match="token_id"):
            method("5")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "constraint", [PhrasalConstraint([5, 5, 6]), DisjunctiveConstraint([[5, 6], [7]]), Repeated(3, 4)]
)
def test_good_constraints_pass_their_own_test_and_are_as_new_after_it(constraint: Constraint) -> None:
    before = constraint.remaining()
    constraint.test()
    assert constraint.remaining() == before


@pytest.mark.parametrize("wrong", ["stuck", "endless", "miscounted"])
def test_constraints_that_cannot_be_fulfilled_are_refused(wrong: str) -> None:
    with pytest.raises(OptionError, match="Repeated"):
        Repeated(5, 2, wrong)


def test_abstract_constraints_have_no_instances() -> None:
    with pytest.raises(TypeError):
        Constraint()  # type: ignore[abstract]


def test_several_constraints_are_worked_on_one_at_a_time() -> None:
    state = ConstraintListState([PhrasalConstraint([5, 6, 7]), DisjunctiveConstraint([[8, 9], [3]])])
    assert (state.max_seqlen, state.n_constraints, state.get_bank()) == (3, 2, 0)
    assert state.advance() == [5, 8, 3]
    assert state.add(4) == (False, False)
    assert state.add(5) == (False, True)
    assert (state.advance(), state.get_bank()) == ([6], 1)
    assert state.add(3) == (False, False)  # breaks the phrase, and is not tried as the other constraint
    assert (state.inprogress_constraint, state.get_bank()) == (None, 0)
    assert state.add(3) == (True, True)
    assert (len(state.complete_constraints), len(state.pending_constraints), state.get_bank()) == (1, 1, 3)
    state.reset([1, 3, 5, 6, 7, 4])
    assert (state.completed, state.advance(), state.get_bank()) == (True, None, 6)
    assert state.add(5) == (True, False)
    state.reset(None)
    assert (state.completed, state.get_bank()) == (False, 0)


def test_lists_are_copied_with_or_without_their_progress() -> None:
    state = ConstraintListState([PhrasalConstraint([5, 6]), PhrasalConstraint([7])])
    state.reset([7, 5])
    assert state.copy().get_bank() == state.get_bank() == 3
    assert state.copy(stateful=False).get_bank() == 0
    other = state.copy()
    other.add(6)
    assert (state.get_bank(), other.get_bank(), other.completed) == (3, 4, True)


def test_a_constraint_that_does_not_keep_its_word_is_named() -> None:
    class Fickle(PhrasalConstraint):
        def update(self, token_id: int) -> tuple[bool, bool, bool]:
            return False, False, False

        def copy(self, stateful: bool = False) -> PhrasalConstraint:
            return Fickle(self.token_ids)

    with pytest.raises(OptionError, match="Fickle"):
        ConstraintListState([Fickle([5])]).add(5)


def test_forced_words_become_constraints() -> None:
    mine = Repeated(5, 2)
    first, phrase, choice = constraints_of([mine], [[5, 6], [[7], [8, 9]]])
    assert first is mine
    assert isinstance(phrase, PhrasalConstraint)
    assert phrase.token_ids == [5, 6]
    assert isinstance(choice, DisjunctiveConstraint)
    assert choice.token_ids == [[7], [8, 9]]
    assert constraints_of(None, None) == []


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), min_size=1, max_size=3), st.data())
def test_following_the_advice_fulfils_everything(phrases: list[list[int]], data: st.DataObject) -> None:
    """And what is fulfilled is there to see."""
    state, written = ConstraintListState(constraints_of(None, phrases)), []
    while not state.completed:
        written.append(data.draw(st.sampled_from(state.advance() or [])))
        state.add(written[-1])
        assert len(written) <= sum(map(len, phrases))
    windows = [tuple(written[i:j]) for i, j in itertools.combinations(range(len(written) + 1), 2)]
    assert all(tuple(phrase) in windows for phrase in phrases)
