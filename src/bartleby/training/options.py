"""Options that know their help and their limits: one declaration gives the check, the flag and the YAML key.

An `Options` class is a frozen dataclass whose fields are made by `option`:

    @dataclass(frozen=True)
    class PaceOptions(Options):
        steps: int = option(REQUIRED, "Batches to learn from.", metavar="N", least=1)
        order: str = option("random", "How they come.", choices=("random", "sorted"))
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from bartleby.errors import OptionError, raise_all

REQUIRED: Any = dataclasses.MISSING
"""As a default: the option must be given."""
POSITIVE = math.ulp(0.0)
"""As the least value: the smallest number above 0."""

_KEY = "option"
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    NoneType: "nothing",
}


@dataclass(frozen=True)
class Facts:
    """What is known of one option besides its name, type and default."""

    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    def faults(self, name: str, value: Any) -> Iterator[str]:
        """What is wrong with a value of the right type; of several values each must keep the limits."""
        for single in value if isinstance(value, tuple) else (value,):
            if self.choices and single is not None and str(single) not in self.choices:
                yield f"`{name}` must be one of {', '.join(self.choices)}, but is {single!r}."
            if isinstance(single, int | float) and not isinstance(single, bool):
                yield from self._limits(name, single)

    def _limits(self, name: str, value: float) -> Iterator[str]:
        if not math.isfinite(value):
            yield f"`{name}` must be a finite number, but is {value}."
        elif self.least == POSITIVE and not value > 0:
            yield f"`{name}` must be a number above 0, but is {value}."
        elif self.least is not None and self.most is not None and not self.least <= value <= self.most:
            yield f"`{name}` must be between {self.least:g} and {self.most:g}, but is {value}."
        elif self.least is not None and not value >= self.least:
            yield f"`{name}` must be at least {self.least:g}, but is {value}."
        elif self.most is not None and not value <= self.most:
            yield f"`{name}` must be at most {self.most:g}, but is {value}."


def option(
    default: Any,
    help: str,
    *,
    metavar: str = "",
    choices: Sequence[str] = (),
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """A field of an `Options` class; `least` and `most` are allowed."""
    facts = Facts(help, metavar, tuple(choices), least, most)
    return dataclasses.field(default=default, metadata={_KEY: facts})


def facts_of(field: dataclasses.Field[Any]) -> Facts | None:
    """What `option` was told; None for a field that is no option."""
    facts: Facts | None = field.metadata.get(_KEY)
    return facts


class Options:
    """Base of frozen dataclasses whose fields are options; wrong values are named all at once.

    Raises: OptionError.
    """

    subject: ClassVar[str] = "The options"

    def __post_init__(self) -> None:
        faults = list(self._field_faults())
        raise_all(OptionError, faults or list(self.contradictions()), self.subject)

    def contradictions(self) -> Iterator[str]:
        """What is wrong with values that are each right; asked only when they are."""
        return iter(())

    def defaults_of(self, names: Sequence[str]) -> dict[str, Any]:
        """What those options are where nothing is said."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: field.default for field in fields if field.name in names}

    def changed_in_vain(self, names: Sequence[str], why: str, remedy: str) -> Iterator[str]:
        """Faults of those options among `names` that are not at their defaults though nothing heeds them.

        `why` completes "must be left at …": what was given at its default cannot be told from what was not given.
        """
        for name, default in self.defaults_of(names).items():
            if (value := getattr(self, name)) != default:
                yield f"`{name}` must be left at {default} {why}, but is {value}. {remedy}"

    def document(self) -> dict[str, Any]:
        """All values by name, as JSON has them; options inside options stand beside the others."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # what derives from Options is a dataclass
            value = getattr(self, field.name)
            values |= value.document() if isinstance(value, Options) else {field.name: _plain(value)}
        return values

    def _field_faults(self) -> Iterator[str]:
        types = get_type_hints(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value, facts = getattr(self, field.name), facts_of(field)
            if not fits(value, types[field.name]):
                yield f"`{field.name}` must be {described(types[field.name])}, but is {value!r}."
            elif facts is not None:
                yield from facts.faults(field.name, value)


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type; whole numbers are numbers, but true and false are not."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in arguments)
    if origin is Literal:
        return True  # `choices` says more
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        return len(kinds) == len(value) and all(map(fits, value, kinds))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def described(kind: Any) -> str:
    """A type in words, for messages."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(described(each) for each in arguments)
    if origin is tuple:
        count = "" if arguments[-1] is ... else f" of {len(arguments)}"
        return f"a list{count}, each of it {described(arguments[0])}"
    return _KINDS.get(kind) or f"of the type {getattr(kind, '__name__', kind)}"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
