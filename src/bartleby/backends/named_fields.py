"""Named fields that also read as a tuple and as a dict: what the outputs of PyTorch and TensorFlow models are.

A field that is None is not part of the tuple or of the dict, so `outputs[0]` is the loss where there is one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from bartleby.errors import OptionError


class NamedFields(OrderedDict[str, Any]):
    """Base of outputs; subclasses are dataclasses whose fields default to None."""

    def __post_init__(self) -> None:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]  # every subclass is a dataclass
        given = {name: getattr(self, name) for name in names}
        pairs = _pairs(given)
        if pairs is not None:  # how frameworks put together what they took apart
            super().__setattr__(names[0], None)
            given.update({names[0]: None, **pairs})
        for name, value in given.items():
            if value is not None:
                self[name] = value

    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None and (name in self or name in self.__dict__):  # not while __init__ runs
            super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        super().__setattr__(name, value)

    def __delitem__(self, name: str) -> None:
        raise self._refusal("del")

    def pop(self, *arguments: Any) -> Any:
        raise self._refusal("pop")

    def update(self, *arguments: Any, **named: Any) -> None:
        raise self._refusal("update")

    def setdefault(self, *arguments: Any) -> Any:
        raise self._refusal("setdefault")

    def _refusal(self, operation: str) -> OptionError:
        name = type(self).__name__
        return OptionError(f"`{operation}` does not work on {name}: its fields stay. Set one, or take `dict(output)`.")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), tuple(getattr(self, field.name) for field in fields(self)))  # type: ignore[arg-type]

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are set, in order."""
        return tuple(self.values())


def _pairs(given: dict[str, Any]) -> dict[str, Any] | None:
    """The fields that the first one holds, when it is a dict or yields pairs of name and value, and is the only one."""
    first, *others = given.values()
    if any(other is not None for other in others) or first is None or hasattr(first, "shape"):
        return None
    items = list(first.items() if isinstance(first, Mapping) else first) if isinstance(first, Iterable) else []
    is_named = bool(items) and all(isinstance(item, tuple | list) and len(item) == 2 for item in items)
    return dict(items) if is_named and all(isinstance(item[0], str) and item[0] in given for item in items) else None
