"""Models behind one interface, whichever framework runs them."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from bartleby.errors import EXTRA_MODULES, OptionError, need_extra

if TYPE_CHECKING:
    from bartleby.backends.protocol import Backend


class _Place(NamedTuple):
    """Where a backend is found, and the extra that installs its framework."""

    module: str
    class_name: str
    extra: str | None


_PLACES = {
    "pytorch": _Place("bartleby.backends.pytorch.backend", "PyTorchBackend", "torch"),
    "flax": _Place("bartleby.backends.flax.backend", "FlaxBackend", "flax"),
    "tensorflow": _Place("bartleby.backends.keras.backend", "TensorFlowBackend", "tensorflow"),
    "plain": _Place("bartleby.backends.plain", "PlainBackend", None),
}

BACKENDS = tuple(_PLACES)
"""From fast to slow, where a text comes alone: Flax and TensorFlow compile anew for texts of another length."""


def open_backend(name_or_path: str | os.PathLike[str], backend: str = "auto", **where: Any) -> Backend:
    """Load a checkpoint with the backend asked for, else with the first one installed; its `name` says which.

    `where` goes to `hub.resolve`: revision, token, cache_dir, local_files_only, force_download. The backends of
    frameworks also take `dtype`, the pytorch backend `device` too.
    Raises: OptionError if there is no such backend, MissingExtraError if its framework is not installed.
    """
    if backend == "auto":
        backend = next(name for name, place in _PLACES.items() if _is_installed(place))
    if backend not in _PLACES:
        known = f"auto, {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}"
        raise OptionError(f"`backend` must be {known}, but is {backend!r}.")
    place = _PLACES[backend]
    if place.extra is not None:
        need_extra(place.extra, f"The {backend} backend")
    opened: Backend = getattr(import_module(place.module), place.class_name).open(name_or_path, **where)
    return opened


def _is_installed(place: _Place) -> bool:
    modules = EXTRA_MODULES[place.extra] if place.extra is not None else ()
    return all(find_spec(module) is not None for module in modules)
