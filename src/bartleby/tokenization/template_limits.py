"""What a chat template may cost: it comes with a checkpoint, and may loop or grow as it likes.

Every turn of a loop, every call, filter, operator and list is a step, and so is every thousand characters they make;
when the steps of a rendering or its seconds are used up, it ends with an error. What would make too large a text is
refused before it is made. Jinja's sandbox keeps a template from changing anything; this keeps it from never ending.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import reduce, wraps
from typing import Any

from bartleby.errors import TokenizerError

MOST_STEPS = 100_000
"""A conversation of a thousand messages takes a few thousand."""
MOST_SECONDS = 10.0
"""Of the processor's time; a conversation of a thousand messages takes a few thousandths."""
LONGEST = 4_000_000
"""Characters of what a template makes, with all that is in it; a model of this family reads a few thousand."""
ITEM = 8
"""A place in a list counts as so many characters, which is what it takes in memory."""
LARGEST_NUMBER = 4096
"""Bits of a power."""
WIDTH = re.compile(r"\d{7,}")
"""A width in a format string that no text needs."""


@dataclass
class Budget:
    """What is left to one rendering."""

    steps: int = MOST_STEPS
    end: float = field(default_factory=lambda: time.thread_time() + MOST_SECONDS)

    def spend(self, steps: int = 1) -> None:
        """Raises: TokenizerError when nothing is left."""
        self.steps -= steps
        if self.steps < 0:
            raise TokenizerError(f"it takes more than {MOST_STEPS} steps")
        if time.thread_time() > self.end:
            raise TokenizerError(f"it takes more than {MOST_SECONDS:g} seconds")

    def made(self, value: Any) -> Any:
        """A value, after paying for it."""
        size = size_of(value)
        refuse_above(size)
        self.spend(1 + size // 1000)
        return value


_budget: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def new_budget() -> Iterator[None]:
    """Inside, templates may spend what one rendering may; other threads and tasks have their own."""
    token = _budget.set(Budget())
    try:
        yield
    finally:
        _budget.reset(token)


def size_of(value: Any) -> int:
    """Characters of a text, or of all that is in a list; what occurs twice counts twice, as when it is written.

    Counting stops beyond LONGEST.
    """
    size, waiting = 0, [value]
    while waiting and size <= LONGEST:
        each = waiting.pop()
        if isinstance(each, str | bytes):
            size += len(each)
        elif isinstance(each, list | tuple | dict):
            size += ITEM * len(each)
            waiting += each
            waiting += each.values() if isinstance(each, dict) else ()
    return size


def refuse_above(size: int) -> None:
    """Raises: TokenizerError for a size beyond LONGEST."""
    if size > LONGEST:
        raise TokenizerError(f"it makes something of {size:.2g} characters")


def foresee(name: str, values: list[Any]) -> None:
    """Refuse a call of text functions whose result could be too large: numbers are widths, counts or factors.

    `replace`, `translate` and `join` put a whole text in many places, formats have widths in them.
    """
    sizes = [size_of(value) for value in values]
    factors = [abs(value) for value in values if isinstance(value, int)]
    if name in ("replace", "translate", "join"):
        factors += sizes[1:]
    if name in ("format", "format_map", "%") and any(
        isinstance(value, str) and WIDTH.search(value) for value in values
    ):
        factors.append(16 * LONGEST)
    refuse_above((sum(sizes) + 1) * max([1, *factors]) // 16)


def refuse_power(base: int, exponent: int) -> None:
    """Raises: TokenizerError if it would be a number of too many digits."""
    if base.bit_length() * exponent > LARGEST_NUMBER:
        raise TokenizerError(f"it takes a power above 2 ** {LARGEST_NUMBER}")


def bounded_range(*arguments: int) -> range:
    """`range`, which costs as many steps as it has numbers."""
    numbers = range(*arguments)
    _budget.get().spend(len(numbers))
    return numbers


def bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja's that is paid for."""

    @wraps(function)  # with the marks by which Jinja knows what to pass
    def paid(*arguments: Any, **named: Any) -> Any:
        foresee(name, [*arguments, *named.values()])
        return _budget.get().made(function(*arguments, **named))

    return paid


def limited_environment(**options: Any) -> Any:
    """A sandboxed Jinja environment whose templates spend from the budget."""
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import Namespace
    from jinja2.visitor import NodeTransformer

    class Bare(Namespace):
        """A namespace that does not write what is in it, which may be itself."""

        def __repr__(self) -> str:
            return "<Namespace>"

    class Weighing(NodeTransformer):
        """Pays for lists, tuples and dictionaries that are written out: each may hold the last one twice."""

        def visit_List(self, node: Any) -> Any:
            node = self.generic_visit(node)
            is_read = getattr(node, "ctx", "load") == "load"  # else a tuple of names to be set
            return nodes.Filter(node, "made", [], [], None, None, lineno=node.lineno) if is_read else node

        visit_Tuple = visit_Dict = visit_List

    class Limited(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(["*", "**", "+", "%"])

        def count(self) -> str:
            """Called at the start of every turn of a loop and of every macro."""
            return ""

        def _parse(self, *arguments: Any) -> nodes.Template:
            tree: nodes.Template = Weighing().visit(super()._parse(*arguments))
            for node in tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock)):
                call = nodes.Call(nodes.EnvironmentAttribute("count"), [], [], None, None)
                node.body.insert(0, nodes.Output([call], lineno=node.lineno))  # type: ignore[attr-defined]
            for joined in list(tree.find_all(nodes.Concat)):  # `a ~ b` as `a + b`, which is intercepted
                texts: list[nodes.Expr] = [nodes.Filter(part, "string", [], [], None, None) for part in joined.nodes]
                joined.nodes = [reduce(nodes.Add, texts)]
            return tree

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" and isinstance(left, int) and isinstance(right, int):
                refuse_power(left, right)
            if operator in ("*", "%"):
                foresee(operator, [left, right, *(right if isinstance(right, tuple) else ())])
            return _budget.get().made(super().call_binop(context, operator, left, right))

        def call(self, context: Any, function: Any, *arguments: Any, **named: Any) -> Any:
            bare = getattr(function, "__wrapped__", function)  # the sandbox wraps `format`
            owner = getattr(bare, "__self__", None)
            if isinstance(owner, str | bytes | list):
                foresee(bare.__name__, [owner, *arguments, *named.values()])
            return _budget.get().made(super().call(context, function, *arguments, **named))

    environment = Limited(**options)
    environment.filters |= {name: bounded_filter(name, each) for name, each in environment.filters.items()}
    environment.filters["made"] = lambda value: _budget.get().made(value)
    environment.globals |= {"range": bounded_range, "namespace": Bare}
    del environment.globals["lipsum"]  # text without meaning, as much as is asked for
    return environment
