"""Running `bartleby` inside the test's own process, which is quick."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bartleby.cli import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """Standard input that says it is typed in."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def bartleby(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Call it with arguments; `piped` or `typed` is what stands on its standard input."""

    def run(*arguments: object, piped: str = "", typed: str | None = None) -> Ran:
        monkeypatch.setattr(sys, "argv", ["bartleby", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(piped) if typed is None else Terminal(typed))
        with pytest.raises(SystemExit) as stopped:
            main()
        code = stopped.value.code
        return Ran(code if isinstance(code, int) else int(code is not None), *capsys.readouterr())

    return run
