"""What the parity suites compared: draws, agreements, listed differences and the worst difference of each kind.

`tests/conftest.py` takes the hooks at the end from here: they print it all when pytest ends, and carry it from the
workers of pytest-xdist to the process that prints.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

IN_WORKER = "parity"
"""Under what name a worker sends its tallies."""


@dataclass
class Tally:
    """Of one suite."""

    draws: int = 0
    agreed: int = 0
    listed: list[str] = field(default_factory=list)
    """Draws in which the releases differ from each other, so that agreeing with either counts."""
    worst: dict[str, float] = field(default_factory=dict)
    """The largest difference, by what was compared."""

    def add(self, differences: Mapping[str, float], agrees: bool = True, listed: str | None = None) -> None:
        """One draw."""
        self.merge(Tally(1, int(agrees), [] if listed is None else [listed], dict(differences)))

    def merge(self, other: Tally) -> None:
        """Those of another worker."""
        self.draws += other.draws
        self.agreed += other.agreed
        self.listed += other.listed
        for name, difference in other.worst.items():
            self.worst[name] = max(self.worst.get(name, 0.0), difference)

    def __str__(self) -> str:
        counts = f"{self.draws} draws, {self.agreed} agree"
        listed = f", {len(self.listed)} where the releases differ ({', '.join(sorted(self.listed))})"
        worst = ", ".join(f"{name} {f'{most:.1e}' if most else 0}" for name, most in sorted(self.worst.items()))
        return counts + (listed if self.listed else "") + (f"; worst: {worst}" if worst else "")


TALLIES: dict[str, Tally] = defaultdict(Tally)
"""By what is compared with what."""


def total() -> Tally:
    """Of all suites together."""
    whole = Tally()
    for tally in TALLIES.values():
        whole.merge(tally)
    return whole


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[IN_WORKER] = {suite: asdict(tally) for suite, tally in TALLIES.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for suite, fields in getattr(node, "workeroutput", {}).get(IN_WORKER, {}).items():
        TALLIES[suite].merge(Tally(**fields))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TALLIES:
        return
    terminalreporter.section("parity")
    for suite, tally in sorted(TALLIES.items()):
        terminalreporter.write_line(f"{suite}: {tally}")
    terminalreporter.write_line(f"all: {total()}")
