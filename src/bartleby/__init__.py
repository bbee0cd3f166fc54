"""The BART family in one library: BART, Blenderbot and Blenderbot-Small.

Public names are loaded when first asked for: importing the package imports no framework, and a name of one wing imports
no other wing's. Each wing needs its extra: "torch", "flax" for `Flax…`, "tensorflow" for `TF…`. The names, and where
each comes from, are in `__init__.pyi`, which editors read too.
"""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.util import find_spec
from pkgutil import get_data
from typing import Any

__version__ = "0.4.0"


def _read_names() -> dict[str, str]:
    """Public name -> the module that defines it."""
    stub = ast.parse(get_data(__name__, "__init__.pyi") or b"")
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}


_MODULE_OF = _read_names()

_EXTRA_OF = {"pytorch": "torch", "flax": "flax", "keras": "tensorflow"}
"""Wing -> the extra that installs its framework, and the module that tells whether it is installed."""


def _wing_of(module: str) -> str:
    return module.removeprefix("bartleby.backends.").partition(".")[0]


def _usable_names() -> list[str]:
    """What `import *` takes: the names whose framework is installed; nothing is imported to find out."""
    missing = {wing for wing, extra in _EXTRA_OF.items() if find_spec(extra) is None}
    return [name for name, module in _MODULE_OF.items() if _wing_of(module) not in missing]


__all__ = ["__version__", *_usable_names()]


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'bartleby' has no attribute {name!r}.{_hint(name)}")
    wing = _wing_of(module)
    if wing in _EXTRA_OF:
        from bartleby.errors import need_extra

        need_extra(_EXTRA_OF[wing], f"`bartleby.{name}`")
    value = getattr(import_module(module), name)
    globals()[name] = value  # found without this function from now on
    return value


def _hint(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, _MODULE_OF, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *_MODULE_OF})
