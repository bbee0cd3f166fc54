"""Processes for tests that need some: they begin with everything imported, which takes longer than what they do."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

import pytest

if "forkserver" not in multiprocessing.get_all_start_methods():
    pytest.skip("processes are forked here, which only POSIX knows", allow_module_level=True)

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.training.killed_run", "tests.training.several_processes"])


def start(target: Callable[..., object], *arguments: Any) -> ForkServerProcess:
    """A process that is on its way."""
    process = CONTEXT.Process(target=_alone_on_a_core, args=(target, *arguments))
    process.start()
    return process


def launch(count: int, target: Callable[..., object], *arguments: Any) -> list[int | None]:
    """Let `count` processes that know of each other do the same, as torchrun does; returns their exit codes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    places = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        start(_placed, {**places, "RANK": rank, "LOCAL_RANK": rank}, target, *arguments) for rank in range(count)
    ]
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _placed(environment: dict[str, object], target: Callable[..., object], *arguments: Any) -> None:
    os.environ.update({name: str(value) for name, value in environment.items()})
    target(*arguments)


def _alone_on_a_core(target: Callable[..., object], *arguments: Any) -> None:
    import torch

    torch.set_num_threads(1)
    target(*arguments)
