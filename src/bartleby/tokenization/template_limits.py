"""What a chat template may cost: it comes with a checkpoint, and may loop or grow as it likes.

Every turn of a loop, every call and every filter is a step, and so is every thousand characters they make; when the
steps of a rendering are used up, it ends with an error. What would make too large a text is refused before it is made.
Jinja's sandbox keeps a template from changing anything; this keeps it from never ending.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import reduce, wraps
from typing import Any

from bartleby.errors import TokenizerError

MOST_STEPS = 100_000
"""A conversation of a thousand messages takes a few thousand."""
LONGEST = 4_000_000
"""Characters of a text that a template makes, or items of a list; a model of this family reads a few thousand."""
LARGEST_POWER = 64
WIDTH = re.compile(r"\d{7,}")
"""A width in a format string that no text needs."""


@dataclass
class Budget:
    """What is left to one rendering."""

    steps: int = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        """Raises: TokenizerError when nothing is left."""
        self.steps -= steps
        if self.steps < 0:
            raise TokenizerError(f"it takes more than {MOST_STEPS} steps")

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
    """Characters or items; 0 of what has none."""
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 0


def refuse_above(size: int) -> None:
    """Raises: TokenizerError for a size beyond LONGEST."""
    if size > LONGEST:
        raise TokenizerError(f"it makes something of {size:.2g} characters or items")


def foresee(name: str, values: list[Any]) -> None:
    """Refuse a call of text functions whose result could be too large: numbers are widths, counts or factors.

    `replace` and `join` put a whole text in many places, formats have widths in them.
    """
    sizes = [size_of(value) for value in values]
    factors = [abs(value) for value in values if isinstance(value, int)]
    if name in ("replace", "join"):
        factors += sizes[1:]
    if name in ("format", "format_map", "%") and any(
        isinstance(value, str) and WIDTH.search(value) for value in values
    ):
        factors.append(16 * LONGEST)
    refuse_above((sum(sizes) + 1) * max([1, *factors]) // 16)


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

    class Limited(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(["*", "**", "+", "%"])

        def count(self) -> str:
            """Called at the start of every turn of a loop and of every macro."""
            return ""

        def _parse(self, *arguments: Any) -> nodes.Template:
            tree = super()._parse(*arguments)
            for node in tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock)):
                call = nodes.Call(nodes.EnvironmentAttribute("count"), [], [], None, None)
                node.body.insert(0, nodes.Output([call], lineno=node.lineno))  # type: ignore[attr-defined]
            for joined in list(tree.find_all(nodes.Concat)):  # `a ~ b` as `a + b`, which is intercepted
                texts: list[nodes.Expr] = [nodes.Filter(part, "string", [], [], None, None) for part in joined.nodes]
                joined.nodes = [reduce(nodes.Add, texts)]
            return tree

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" and (not isinstance(right, int | float) or abs(right) > LARGEST_POWER):
                raise TokenizerError(f"it takes a power above {LARGEST_POWER}")
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
    environment.globals["range"] = bounded_range
    return environment
