"""What an output must contain: phrases, and choices between phrases. Pure bookkeeping, one output at a time.

A `Constraint` follows the tokens of one output and says which of them would take it further; `ConstraintListState`
follows several at once. How beams are chosen with them is in `banks.py`. A caller may write constraints of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Any, Self

from bartleby.errors import OptionError

MOST_STEPS = 10000


class Constraint(ABC):
    """Something an output must contain. Feeding `advance()` to `update` again and again must fulfil it at last.

    Subclasses set `seqlen`, the most tokens it takes.
    """

    seqlen: int
    completed: bool

    def __init__(self) -> None:
        self.test()

    def test(self) -> None:
        """Check that going where `advance` points fulfils the constraint, also after a `reset`.

        Raises: OptionError if it does not.
        """
        name, completed = type(self).__name__, False
        for step in range(MOST_STEPS):
            if step == 1:
                self.reset()  # must be possible half-way
            token = _tokens(self.advance())[:1]
            if not token or not self.does_advance(token[0]):
                raise OptionError(f"`{name}.does_advance` must be true of what `advance` returns, but is not.")
            completed = self.update(token[0])[1]
            if completed:
                break
        if not completed:
            raise OptionError(f"`{name}.update` must fulfil the constraint, but has not in {MOST_STEPS} steps.")
        if self.remaining() != 0:
            raise OptionError(f"`{name}.remaining` must be 0 when it is fulfilled, but is {self.remaining()}.")
        self.reset()

    @abstractmethod
    def advance(self) -> Any:
        """The token, or the list of tokens, that would each take it one step further; None when it is fulfilled."""

    @abstractmethod
    def does_advance(self, token_id: int) -> bool:
        """Whether this token would take it further."""

    @abstractmethod
    def update(self, token_id: int) -> tuple[bool, bool, bool]:
        """Take note of a token that was written: whether it stepped on, is completed now, had to begin again."""

    @abstractmethod
    def reset(self) -> None:
        """Begin again."""

    @abstractmethod
    def remaining(self) -> int:
        """How many tokens are still needed, at most."""

    @abstractmethod
    def copy(self, stateful: bool = False) -> Constraint:
        """Another of the same; `stateful`: that has come as far."""


class PhrasalConstraint(Constraint):
    """The output contains these tokens, in this order, one behind the other."""

    def __init__(self, token_ids: list[int]) -> None:
        """Raises: OptionError if `token_ids` is not a list of token ids, or empty."""
        _check_phrase("token_ids", token_ids)
        self.token_ids = token_ids
        self.seqlen = len(token_ids)
        self.fulfilled_idx = -1
        self.completed = False

    def advance(self) -> int | None:
        return None if self.completed else self.token_ids[self.fulfilled_idx + 1]

    def does_advance(self, token_id: int) -> bool:
        _check_token(token_id)
        return not self.completed and token_id == self.advance()

    def update(self, token_id: int) -> tuple[bool, bool, bool]:
        if not self.does_advance(token_id):
            self.reset()
            return False, False, True
        self.fulfilled_idx += 1
        self.completed = self.remaining() == 0
        return True, self.completed, False

    def reset(self) -> None:
        self.completed, self.fulfilled_idx = False, -1

    def remaining(self) -> int:
        return self.seqlen - (self.fulfilled_idx + 1)

    def copy(self, stateful: bool = False) -> PhrasalConstraint:
        other = copy(self)
        if not stateful:
            other.reset()
        return other


Trie = dict[int, "Trie"]


class DisjunctiveTrie:
    """The phrases of a choice, those with a common beginning sharing it."""

    def __init__(self, nested_token_ids: list[list[int]], no_subsets: bool = True) -> None:
        """Raises: OptionError if a phrase is the beginning of another, unless `no_subsets` is False."""
        self.max_height = max(map(len, nested_token_ids))
        self.trie: Trie = {}
        for phrase in nested_token_ids:
            level = self.trie
            for token in phrase:
                level = level.setdefault(token, {})
        if no_subsets and self.has_subsets(self.trie, nested_token_ids):
            raise OptionError(
                f"No list in `nested_token_ids` must be another or its beginning, but one of {nested_token_ids} is. "
                "Leave out the longer one: the shorter is enough."
            )

    def next_tokens(self, current_seq: Sequence[int]) -> list[int]:
        """What may follow `current_seq`; nothing behind a whole phrase."""
        level = self.trie
        for token in current_seq:
            level = level[token]
        return list(level)

    def reached_leaf(self, current_seq: Sequence[int]) -> bool:
        """Whether `current_seq` is a whole phrase."""
        return not self.next_tokens(current_seq)

    def count_leaves(self, root: Trie) -> int:
        """How many phrases end at or below `root`."""
        return sum(map(self.count_leaves, root.values())) if root else 1

    def has_subsets(self, trie: Trie, nested_token_ids: Sequence[Sequence[int]]) -> bool:
        """Whether a phrase ends inside another."""
        return self.count_leaves(trie) != len(nested_token_ids)


class DisjunctiveConstraint(Constraint):
    """The output contains at least one of these phrases."""

    def __init__(self, nested_token_ids: list[list[int]]) -> None:
        """Raises: OptionError if `nested_token_ids` is not a list of lists of token ids, or one begins another."""
        if not isinstance(nested_token_ids, list) or not nested_token_ids:
            raise OptionError(f"`nested_token_ids` must be a list of lists, not empty, but is {nested_token_ids!r}.")
        for phrase in nested_token_ids:
            _check_phrase("nested_token_ids", phrase)
        self.trie = DisjunctiveTrie(nested_token_ids)
        self.token_ids = nested_token_ids
        self.seqlen = self.trie.max_height
        self.current_seq: list[int] = []
        self.completed = False

    def advance(self) -> list[int] | None:
        return self.trie.next_tokens(self.current_seq) or None

    def does_advance(self, token_id: int) -> bool:
        _check_token(token_id)
        return token_id in self.trie.next_tokens(self.current_seq)

    def update(self, token_id: int) -> tuple[bool, bool, bool]:
        steps = self.does_advance(token_id)
        if steps:
            self.current_seq.append(token_id)
        else:
            self.reset()
        self.completed = self.trie.reached_leaf(self.current_seq)
        return steps, self.completed, not steps

    def reset(self) -> None:
        self.completed, self.current_seq = False, []

    def remaining(self) -> int:
        return 0 if self.completed else self.seqlen - len(self.current_seq)

    def copy(self, stateful: bool = False) -> DisjunctiveConstraint:
        # With state, they share `current_seq` as in 4.37: it decides how beams that try several alternatives rank.
        other = copy(self)
        if not stateful:
            other.reset()
        return other


class ConstraintListState:
    """How far one output has come with several constraints; it works on one of them at a time."""

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self.constraints = constraints
        self.max_seqlen = max(constraint.seqlen for constraint in constraints)
        self.n_constraints = len(constraints)
        self.init_state()

    def init_state(self) -> None:
        """Begin again with all of them."""
        self.completed = False
        self.complete_constraints: list[Constraint] = []
        self.inprogress_constraint: Constraint | None = None
        self.pending_constraints = [constraint.copy(stateful=False) for constraint in self.constraints]

    def get_bank(self) -> int:
        """A measure of progress: the steps taken, every fulfilled constraint counting as the longest."""
        begun = self.inprogress_constraint
        begun_steps = 0 if begun is None else self.max_seqlen - begun.remaining()
        return len(self.complete_constraints) * self.max_seqlen + begun_steps

    def advance(self) -> list[int] | None:
        """The tokens that would go on with the constraint begun, or begin one; None if there are none."""
        at_work = self.pending_constraints if self.inprogress_constraint is None else [self.inprogress_constraint]
        return [token for constraint in at_work for token in _tokens(constraint.advance())] or None

    def reset(self, token_ids: Sequence[int] | None) -> None:
        """Begin again, and follow `token_ids` until everything is fulfilled."""
        self.init_state()
        for token in () if token_ids is None else token_ids:
            self.add(token)
            if self.completed:
                break

    def add(self, token_id: int) -> tuple[bool, bool]:
        """Take note of a token that was written: whether it completed a constraint, whether it stepped on in one."""
        _check_token(token_id)
        if self.completed:
            return True, False
        if self.inprogress_constraint is not None:
            return self._go_on(self.inprogress_constraint, token_id)
        return self._begin(token_id)

    def _go_on(self, begun: Constraint, token_id: int) -> tuple[bool, bool]:
        stepped, complete, reset = begun.update(token_id)
        if reset:  # the token is not tried as the beginning of another: so it is in 4.37
            self.pending_constraints.append(begun.copy(stateful=False))
        if complete:
            self.complete_constraints.append(begun)
        if reset or complete:
            self.inprogress_constraint = None
        self.completed = complete and not self.pending_constraints
        return complete, stepped

    def _begin(self, token_id: int) -> tuple[bool, bool]:
        for place, pending in enumerate(self.pending_constraints):
            if not pending.does_advance(token_id):
                continue
            stepped, complete, _ = pending.update(token_id)
            if not stepped:
                raise OptionError(f"`{type(pending).__name__}.update` must step on where `does_advance` says it would.")
            del self.pending_constraints[place]
            if complete:
                self.complete_constraints.append(pending)
            else:
                self.inprogress_constraint = pending
            self.completed = complete and not self.pending_constraints
            return complete, stepped
        return False, False

    def copy(self, stateful: bool = True) -> Self:
        """Another of the same constraints; `stateful`: that has come as far."""
        other = type(self)(self.constraints)
        if stateful:
            other.complete_constraints = [one.copy(stateful=True) for one in self.complete_constraints]
            if self.inprogress_constraint is not None:
                other.inprogress_constraint = self.inprogress_constraint.copy(stateful=True)
            other.pending_constraints = [one.copy() for one in self.pending_constraints]
        return other


def constraints_of(constraints: Sequence[Constraint] | None, force_words_ids: Sequence[Any] | None) -> list[Constraint]:
    """Everything two options ask for: phrases stand as lists of ids, choices as lists of such lists."""
    words = [
        DisjunctiveConstraint([list(phrase) for phrase in word])
        if isinstance(word[0], list | tuple)
        else PhrasalConstraint(list(word))
        for word in force_words_ids or ()
    ]
    return [*(constraints or ()), *words]


def _tokens(advance: Any) -> list[int]:
    """What `Constraint.advance` returned, as a list: it may be one token, several, a tensor of them, or None."""
    if advance is None:
        return []
    found = advance.tolist() if hasattr(advance, "tolist") else advance
    return [found] if isinstance(found, int) else list(found)


def _check_token(token_id: int) -> None:
    if not isinstance(token_id, int):
        raise OptionError(f"`token_id` must be an int, but is {token_id!r}, a {type(token_id).__name__}.")


def _check_phrase(name: str, phrase: Any) -> None:
    if not isinstance(phrase, list) or not phrase:
        raise OptionError(f"`{name}` must hold lists of token ids, none of them empty, but has {phrase!r}.")
    if any(not isinstance(token, int) or token < 0 for token in phrase):
        raise OptionError(f"`{name}` must hold token ids, which are at least 0, but has {phrase!r}.")
