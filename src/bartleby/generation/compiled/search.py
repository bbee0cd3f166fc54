"""The search in arrays of fixed shape: all sources and rows stay from the first step to the last.

It must equal, token by token, the plain code in generation/search.py. A framework compiles `Search.run` as one program;
callers who want to look between the steps take them one by one: `begin`, and `step` while `goes_on` says so.
What a step does with the scores is the business of rows.py and beams.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from bartleby.generation.compiled.arrays import Array, Arrays, Length
from bartleby.generation.compiled.beams import BeamSearch
from bartleby.generation.compiled.rows import RowSearch
from bartleby.generation.compiled.task import Task, Written


class Reader(Protocol):
    """A model with its encoded sources. What it remembers of the rows is a value that is passed on."""

    def read(self, ids: Array, start: Length, memory: Any) -> tuple[Array, Any]:
        """Read ids (r, t), which stand at `start`, and score what comes next: float32 logits (r, v).

        r is first b, one row a source, and b·n in all other steps.
        """

    def reorder(self, memory: Any, rows: Array) -> Any:
        """What to remember to go on with copies of these rows (r,), in this order."""


class Going(NamedTuple):
    """A search between two steps."""

    state: Any
    memory: Any


class Search:
    """One task, one reader."""

    def __init__(self, xp: Arrays, task: Task, reader: Reader) -> None:
        self.xp, self.task, self.reader = xp, task, reader
        self.kind = search_of(xp, task)

    def run(self, memory: Any) -> Written:
        """Every source's outputs; `memory` is that of a reader that has read nothing yet."""
        going = self.begin(memory)
        going = self.xp.while_loop(self.goes_on, self.step, going)
        return self.result(going)

    def begin(self, memory: Any) -> Going:
        """The first step: the prompts are read, once for each source."""
        logits, memory = self.reader.read(self.task.prompts, 0, memory)
        going, _ = self.chosen(self.kind.start(), logits, memory)
        return going

    def step(self, going: Going) -> Going:
        """Every other step: the last token of each row is read."""
        logits, memory = self.reader.read(*self.unread(going), going.memory)
        going, _ = self.chosen(going.state, logits, memory)
        return going

    def unread(self, going: Going) -> tuple[Array, Length]:
        """The last token of each row (r, 1), and where it stands."""
        place = going.state.length - 1
        return self.xp.reshape(self.xp.columns(self.kind.beams(going.state), place, 1), (-1, 1)), place

    def chosen(self, state: Any, logits: Array, memory: Any) -> tuple[Going, Array]:
        """The next token of each row is written; also the scores after the rules, (r, v)."""
        state, rows, ruled = self.kind.advance(state, logits)
        if rows is not None:
            memory = self.reader.reorder(memory, self.xp.reshape(rows, (-1,)))
        # From here on the length is the program's own number, the same in kind in every step.
        return Going(state._replace(length=self.xp.cast(state.length, "int32")), memory), ruled

    def goes_on(self, going: Going) -> Array:
        """Whether any source needs another step."""
        return ~self.xp.all(self.kind.settled(going.state))

    def result(self, going: Going) -> Written:
        """What the sources have come to, `num_return_sequences` each."""
        return self.kind.result(going.state)


def search_of(xp: Arrays, task: Task) -> BeamSearch | RowSearch:
    """The search that the options ask for."""
    return BeamSearch(xp, task) if task.options.num_beams > 1 else RowSearch(xp, task)
