"""What the value of a declared field must be: kinds to annotate fields with, and a second name for a field."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

LARGEST_SIZE = 2**24
"""No axis of a model of this family comes near it."""

ACTIVATIONS = (
    "gelu",
    "gelu_new",
    "gelu_fast",
    "gelu_python",
    "gelu_pytorch_tanh",
    "quick_gelu",
    "relu",
    "relu6",
    "leaky_relu",
    "silu",
    "swish",
    "mish",
    "tanh",
    "sigmoid",
    "linear",
)
LabelKind = Literal["single_label_classification", "multi_label_classification", "regression"]
"""What a label is, by the published names of `problem_type`: one of several, any number of them, or a number."""
PROBLEM_TYPES: tuple[LabelKind, ...] = get_args(LabelKind)


@dataclass(frozen=True)
class Check:
    """What the value of a field must be: the words of the message, and the test."""

    wanted: str
    accepts: Callable[[Any], bool]

    def fault(self, name: str, value: Any) -> str | None:
        """The sentence that refuses `value` for the field `name`, or None when it is right."""
        return None if self.accepts(value) else f"`{name}` must be {self.wanted}, but is {shown(value)}."


def shown(value: Any) -> str:
    """A value in few words, whatever it is: Python does not show whole numbers of more than 4,300 digits."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return "a number of very many digits"


class Alias:
    """A second published name of a field: reads and writes the first."""

    def __init__(self, field: str) -> None:
        self.field = field

    def __get__(self, record: object | None, owner: type) -> Any:
        return self if record is None else getattr(record, self.field)

    def __set__(self, record: object, value: Any) -> None:
        setattr(record, self.field, value)


class DtypeName(str):
    """The name of a type of numbers, equal to that type itself: `config.dtype == torch.float16`."""

    def __eq__(self, other: object) -> bool:
        return str(self) == (other if isinstance(other, str) else _name_of(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def dtype_name(value: Any) -> Any:
    """A type of numbers of any library as its name; None stays None."""
    return value if value is None else DtypeName(value if isinstance(value, str) else _name_of(value))


def _name_of(dtype: Any) -> str:
    return str(getattr(dtype, "name", None) or getattr(dtype, "__name__", str(dtype).removeprefix("torch.")))


def is_whole(value: Any) -> bool:
    """An int that is not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """A finite float, or an int that is not a bool and not beyond every float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_ids(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(is_whole(item) for item in value)


SIZE = Check(f"a whole number from 1 to {LARGEST_SIZE}", lambda value: is_whole(value) and 1 <= value <= LARGEST_SIZE)
Size = Annotated[int, SIZE]
Width = Annotated[
    int,  # 0: left open; such a config can be kept, but no model be built of it
    Check(f"a whole number from 0 to {LARGEST_SIZE}", lambda value: is_whole(value) and 0 <= value <= LARGEST_SIZE),
]
Mapped = Annotated[dict[Any, Any], Check("a dictionary", lambda value: isinstance(value, dict))]
Count = Annotated[int, Check("a whole number of at least 0", lambda value: is_whole(value) and value >= 0)]
Probability = Annotated[float, Check("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1)]
Deviation = Annotated[float, Check("a number of at least 0", lambda value: is_number(value) and value >= 0)]
Amount = Annotated[float | None, Check("a number or None", lambda value: value is None or is_number(value))]
Flag = Annotated[bool, Check("true or false", lambda value: isinstance(value, bool))]
Text = Annotated[str | None, Check("a text or None", lambda value: value is None or isinstance(value, str))]
TokenId = Annotated[int | None, Check("a token id or None", lambda value: value is None or is_whole(value))]
TokenIds = Annotated[
    int | list[int] | None,
    Check("a token id, a list of them or None", lambda value: value is None or is_whole(value) or _is_ids(value)),
]
Activation = Annotated[str, Check(f"one of {', '.join(ACTIVATIONS)}", lambda value: value in ACTIVATIONS)]
ProblemType = Annotated[
    str | None, Check(f"None or one of {', '.join(PROBLEM_TYPES)}", lambda value: value in (None, *PROBLEM_TYPES))
]
