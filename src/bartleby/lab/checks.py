"""What a verification found: a list of checks, each with its verdict, and what they come to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bartleby import __version__
from bartleby.errors import BartlebyError

Verdict = Literal["agrees", "differs", "known", "noted", "skipped"]
"""`known`: a defect of the reference library that facts about it explain; `noted`: nothing to agree or differ;
`skipped`: not looked at, and why."""

BOUNDS = {"float64": 1e-12, "float32": 1e-5, "float16": 1e-2, "bfloat16": 1e-1}
"""How far outputs may lie from the definition's, as a share of its largest output. Each is some ten to some hundred
roundings of its type: what a dozen layers add up to, and far below what a wrong formula does."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `subject` beside `other`."""

    area: str
    subject: str
    verdict: Verdict
    other: str = ""
    worst: float | None = None
    """The largest difference, as a share of the definition's largest output."""
    bound: float | None = None
    remark: str = ""


@dataclass
class Report:
    """Everything that was found of a checkpoint."""

    checkpoint: str
    facts: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def add(self, found: Iterator[Check], area: str) -> None:
        """Collect checks as they are made; what the library refuses on the way is a check that differs."""
        try:
            for check in found:
                self.checks.append(check)
        except BartlebyError as error:
            self.checks.append(Check(area, "refused", "differs", remark=str(error)))

    @property
    def differing(self) -> int:
        return sum(check.verdict == "differs" for check in self.checks)

    @property
    def verdict(self) -> str:
        """The answer in a sentence."""
        counts = Counter(check.verdict for check in self.checks)
        beside: dict[Verdict, str] = {
            "known": "explained by known defects of the reference library",
            "noted": "noted",
            "skipped": "skipped",
        }
        rest = [f"{counts[kind]} {words}" for kind, words in beside.items() if counts[kind]]
        compared = counts["agrees"] + counts["known"] + counts["differs"]
        head = f"{counts['differs']} of {compared} checks differ"
        if not counts["differs"]:
            head = f"Everything agrees within the stated bounds: {compared} checks"
        return ", ".join([head, *rest]) + "."

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "checkpoint": self.checkpoint,
            "bartleby_version": __version__,
            **self.facts,
            "bounds": dict(BOUNDS),
            "agrees": self.differing == 0,
            "verdict": self.verdict,
            "checks": [{name: plain(value) for name, value in asdict(check).items()} for check in self.checks],
        }


def plain(value: Any) -> Any:
    """JSON has no infinity and no nan: they become text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
