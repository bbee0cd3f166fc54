"""How the steps of decoding are compiled: the arguments of torch.compile, by their published names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass
class CompileConfig:
    """What `compile_config` may be, beside a dictionary of the same names."""

    fullgraph: bool = False
    dynamic: bool | None = None
    backend: str | Callable[..., Any] = "inductor"
    mode: str | None = "reduce-overhead"
    options: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The arguments by name."""
        return dict(vars(self))


ARGUMENTS = tuple(each.name for each in fields(CompileConfig))


def is_compiling(value: Any) -> bool:
    """Whether `value` says how to compile: a dictionary of arguments, or an object that has them all."""
    if isinstance(value, Mapping):
        return set(value) <= {*ARGUMENTS}
    return all(hasattr(value, name) for name in ARGUMENTS)


def compile_arguments(given: Any) -> dict[str, Any]:
    """What to call torch.compile with; `given` is as `is_compiling` wants it."""
    return dict(given) if isinstance(given, Mapping) else {name: getattr(given, name) for name in ARGUMENTS}
