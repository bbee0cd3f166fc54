"""What the parity suites compared: how many draws, and the worst difference; printed when pytest ends."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Of one suite: worst difference by what was compared."""

    draws: int = 0
    worst: dict[str, float] = field(default_factory=dict)

    def add(self, differences: dict[str, float]) -> None:
        """Those of one draw."""
        self.draws += 1
        for name, difference in differences.items():
            self.worst[name] = max(self.worst.get(name, 0.0), difference)

    def __str__(self) -> str:
        worst = ", ".join(f"{name} {difference:.1e}" for name, difference in sorted(self.worst.items()))
        return f"{self.draws} draws; worst difference: {worst}"


TALLIES: dict[str, Tally] = defaultdict(Tally)
