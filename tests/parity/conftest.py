"""Lets the tests here import the modules beside them, and tells at the end what they compared."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    from tests.parity.tally import TALLIES

    for suite, tally in TALLIES.items():
        terminalreporter.write_line(f"{suite}: {tally}")
