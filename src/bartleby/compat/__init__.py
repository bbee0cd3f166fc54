"""The reference library's import paths, served by this package to scripts that ask for them.

    import bartleby.compat

    bartleby.compat.install()
    from transformers import BartForConditionalGeneration  # bartleby's

`install` answers each import of `transformers` from now on, `uninstall` stops that; `with install():` is both. A module
or a name that is not served is refused by naming what is. Where the reference library is installed too, it is hidden,
not changed; where it is imported already, `install` refuses: half of a program would have the one, half the other.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType
from typing import Any

from bartleby.compat.served import HINTS, LIBRARY, SERVED, SPEAKS
from bartleby.errors import OptionError


class ServedModule(ModuleType):
    """A module whose names are looked up, when asked for, in the modules of this package that have them."""

    def __getattr__(self, name: str) -> Any:
        inner = f"{self.__name__}.{name}"
        if inner in SERVED:
            return import_module(inner)
        if not name.startswith("__"):
            for source in SERVED[self.__name__]:
                try:
                    value = getattr(import_module(source), name)
                except AttributeError:
                    continue
                setattr(self, name, value)
                return value
        raise AttributeError(f"module {self.__name__!r}, as served by bartleby, has no {name!r}.{_hint(name)}")

    def __dir__(self) -> list[str]:
        inner = {path.rpartition(".")[2] for path in SERVED if path.rpartition(".")[0] == self.__name__}
        names = {name for source in SERVED[self.__name__] for name in _listed(import_module(source))}
        return sorted({*vars(self), *inner, *names})


class Server(MetaPathFinder, Loader):
    """Answers imports of the reference library, all of them: what is not served is refused."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Raises: ImportError for a module or a name of the reference library that is not served."""
        if fullname.partition(".")[0] != LIBRARY:
            return None
        if fullname in SERVED:
            return ModuleSpec(fullname, self, origin="served by bartleby", is_package=True)
        parent, _, name = fullname.rpartition(".")
        if name[:1].isupper() and parent in SERVED:
            near = get_close_matches(name, dir(import_module(parent)), n=1)
            hint = f" Did you mean {near[0]}?" if near else f" `dir({parent})` lists what it has."
            raise ImportError(f"bartleby serves {parent}, but no {name} in it.{_hint(name) or hint}")
        raise ImportError(f"bartleby serves no {fullname}.{_hint(name)} Served are {', '.join(SERVED)}.")

    def create_module(self, spec: ModuleSpec) -> ServedModule:
        """An empty module; names come when asked for."""
        return ServedModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Say which names `import *` takes, and at the top which release the names are those of."""
        vars(module)["__all__"] = [name for source in SERVED[module.__name__] for name in _announced(source)]
        if module.__name__ == LIBRARY:
            vars(module)["__version__"] = SPEAKS


class Installation:
    """What `install` answers; as a context manager it ends what that call began."""

    def __init__(self, began: bool) -> None:
        self.began = began

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.began:
            uninstall()


_SERVER = Server()


def install() -> Installation:
    """Answer imports of the reference library from now on; harmless when it is done already.

    Raises: OptionError if the reference library is imported already.
    """
    if is_installed():
        return Installation(began=False)
    if LIBRARY in sys.modules:
        raise OptionError(
            f"`install` must come before the first import of {LIBRARY}, but that is imported already. "
            "Call it at the top of the program, or import the names from bartleby."
        )
    sys.meta_path.insert(0, _SERVER)
    return Installation(began=True)


def uninstall() -> None:
    """Stop answering; imports find the reference library again, where there is one. What was imported stays usable."""
    if is_installed():
        sys.meta_path.remove(_SERVER)
    for name in [name for name, module in sys.modules.items() if isinstance(module, ServedModule)]:
        del sys.modules[name]


def is_installed() -> bool:
    """Whether imports of the reference library are answered by this package."""
    return _SERVER in sys.meta_path


def _hint(name: str) -> str:
    return next((f" {hint}" for mark, hint in HINTS.items() if mark in name), "")


def _listed(module: ModuleType) -> list[str]:
    """Of this package itself all names, also those whose framework is missing: asking for them says so."""
    return (
        [name for name in dir(module) if not name.startswith("_")] if module.__name__ == "bartleby" else _public(module)
    )


def _public(module: ModuleType) -> list[str]:
    return [name for name in getattr(module, "__all__", vars(module)) if not name.startswith("_")]


def _announced(source: str) -> list[str]:
    """The names of a source that can be told without importing a framework: those of this package itself."""
    return _public(import_module(source)) if source == "bartleby" else []
