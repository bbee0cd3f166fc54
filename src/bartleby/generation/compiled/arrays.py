"""The array operations that the searches are written in. Each framework binds them to its own; tests to NumPy's.

Beside these, arrays have Python's operators and constant slices. A shape may hold scalars of the framework where it is
not known before the program runs. Integers are int32, numbers float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar

import numpy.typing as npt

Array = Any
"""Of the framework; while a program is compiled, what stands for one."""

Length = Any
"""A whole number: Python's where it is known before the program runs, else a scalar of the framework."""

Dtype = Literal["int32", "float32", "bool"]
State = TypeVar("State")


class Arrays(Protocol):
    """The operations, named and meant as NumPy's unless they say otherwise."""

    # Making

    def asarray(self, values: npt.ArrayLike, dtype: Dtype) -> Array: ...

    def full(self, shape: Sequence[Length], value: float, dtype: Dtype) -> Array: ...

    def arange(self, count: Length) -> Array: ...

    def cast(self, values: Array, dtype: Dtype) -> Array: ...

    # Shapes

    def shape(self, values: Array) -> tuple[Length, ...]: ...

    def reshape(self, values: Array, shape: Sequence[Length]) -> Array: ...

    def broadcast_to(self, values: Array, shape: Sequence[Length]) -> Array: ...

    def concat(self, parts: Sequence[Array], axis: int) -> Array: ...

    # Element by element

    def where(self, condition: Array, chosen: Array | float, other: Array | float) -> Array:
        """Python's numbers are int32 or float32 here."""

    def minimum(self, one: Array, other: Array | float) -> Array: ...

    def maximum(self, one: Array, other: Array | float) -> Array: ...

    def exp(self, values: Array) -> Array: ...

    def log(self, values: Array) -> Array: ...

    def abs(self, values: Array) -> Array: ...

    def isnan(self, values: Array) -> Array: ...

    def isfinite(self, values: Array) -> Array: ...

    # Along an axis

    def sum(self, values: Array, axis: int, keepdims: bool = False) -> Array: ...

    def max(self, values: Array, axis: int, keepdims: bool = False) -> Array: ...

    def any(self, values: Array, axis: int, keepdims: bool = False) -> Array: ...

    def all(self, values: Array, axis: int | None = None) -> Array: ...

    def cumsum(self, values: Array, axis: int) -> Array: ...

    def argmax(self, values: Array, axis: int) -> Array:
        """Of equals the first."""

    def argsort(self, values: Array) -> Array:
        """The places of the last axis, least first, of equals the first."""

    def top_k(self, values: Array, count: int) -> tuple[Array, Array]:
        """The largest of the last axis and their places, largest first, of equals the first."""

    # At places

    def take(self, values: Array, index: Array) -> Array:
        """Of each row its own entries. Shapes: (b, n, …), (b, k) -> (b, k, …)."""

    def columns(self, values: Array, start: Length, count: int) -> Array:
        """So many columns of the last axis, as far as there are any behind `start`; else the last or the first."""

    def set_column(self, values: Array, column: Length, new: Array) -> Array:
        """One column of the last axis replaced. Shapes: (…, w), (…)."""

    def put(self, values: Array, places: Array, new: Array) -> Array:
        """Of each row its own entries replaced; where places are equal, so is what is put there. Shapes: (r, v), (r, k)
        twice.
        """

    def add(self, values: Array, places: Array, more: Array) -> Array:
        """Of each row its own entries raised, those of equal places by the sum. Shapes: (r, v), (r, k) twice."""

    def ban(self, values: Array, places: Array, banned: Array) -> Array:
        """Of each row its own entries made -inf, where `banned`. Shapes: (r, v), (r, k) twice."""

    # Over and over

    def while_loop(self, goes_on: Callable[[State], Array], step: Callable[[State], State], state: State) -> State:
        """The state after all steps, a nest of tuples of arrays."""
