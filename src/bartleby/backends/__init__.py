"""Models behind one interface, whichever framework runs them."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bartleby.errors import OptionError, need_extra

if TYPE_CHECKING:
    from bartleby.backends.protocol import Backend

BACKENDS = ("pytorch", "plain")
"""From fast to slow."""


def open_backend(name_or_path: str | os.PathLike[str], backend: str = "auto", **where: Any) -> Backend:
    """Load a checkpoint with the backend asked for, or with the fastest that is installed; its `name` says which.

    `where` goes to `hub.resolve`: revision, token, cache_dir, local_files_only, force_download. The pytorch backend
    also takes `dtype` and `device`.
    Raises: OptionError if there is no such backend, MissingExtraError if its framework is not installed.
    """
    if backend == "auto":
        backend = "pytorch" if find_spec("torch") is not None else "plain"
    if backend == "pytorch":
        need_extra("torch", "The pytorch backend")
        from bartleby.backends.pytorch.backend import PyTorchBackend

        return PyTorchBackend.open(name_or_path, **where)
    if backend == "plain":
        from bartleby.backends.plain import PlainBackend

        return PlainBackend.open(name_or_path, **where)
    raise OptionError(f"`backend` must be auto, {' or '.join(BACKENDS)}, but is {backend!r}.")
