"""Checks of what a model says of texts: implementations, precisions and shapes of batch beside the definition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bartleby.generation.config import GenerationConfig
from bartleby.lab.checks import BOUNDS, Check
from bartleby.lab.parting import Judge, Known
from bartleby.lab.sides import Array, Side
from bartleby.lab.subject import Subject

AREA = "forward"
ROOM = 7
"""Places padded beyond the longest text."""


@dataclass
class Table:
    """What answers are judged by: the definition, and the same model in float64 where that is at hand."""

    subject: Subject
    definition: Side
    exact: Side | None

    def judge(self, options: GenerationConfig) -> Judge:
        """Who says how good an answer is, with these options."""
        return Judge(self.definition, self.subject.head, options, self.known)

    @cached_property
    def known(self) -> Known:
        return {}

    @cached_property
    def outputs(self) -> list[Array]:
        """What the definition says of the texts."""
        return self.definition.forward(self.subject.sources, self.subject.targets)

    @cached_property
    def scale(self) -> float:
        """Its largest output, by which differences are measured."""
        return largest(self.outputs)


def output_checks(table: Table, sides: Sequence[Side]) -> Iterator[Check]:
    """Every side with all texts as one batch, beside the definition, which reads each alone."""
    subject, definition = table.subject, table.definition
    yield finite(table.outputs, definition)
    for side in sides:
        yield beside(side.forward(subject.sources, subject.targets), table.outputs, side, definition.name)


def finite(outputs: Sequence[Array], side: Side) -> Check:
    """No output may be infinite or no number at all."""
    wrong = sum(int((~np.isfinite(row)).sum()) for row in outputs)
    remark = f"{wrong} outputs are infinite or nan" if wrong else ""
    return Check(AREA, side.name, "differs" if wrong else "agrees", "finite outputs", remark=remark)


def shape_checks(subject: Subject, side: Side) -> Iterator[Check]:
    """One side with other shapes of batch: each text alone, and more padding than is needed."""
    batch = side.forward(subject.sources, subject.targets)
    pairs = zip(subject.sources, subject.targets, strict=True)
    alone = [side.forward([source], [target])[0] for source, target in pairs]
    yield beside(alone, batch, side, "in a batch", what="alone")
    room = room_for(subject)
    if not room:
        yield Check(AREA, f"{side.name}, over-padded", "skipped", remark="the longest text fills all positions")
        return
    yield beside(side.forward(subject.sources, subject.targets, room), batch, side, "in a batch", what="over-padded")


def room_for(subject: Subject) -> int:
    """How much can be padded beyond the longest text."""
    longest = max(map(len, subject.sources))
    return max(0, min(ROOM, subject.config.max_position_embeddings - longest))


def beside(outputs: Sequence[Array], exact: Sequence[Array], side: Side, other: str, what: str = "") -> Check:
    """The largest difference, and whether it is within the bound of the side's precision."""
    name = ", ".join(part for part in (side.name, what) if part)
    bound = BOUNDS[side.dtype]
    if [row.shape for row in outputs] != [row.shape for row in exact]:
        remark = f"shapes {[row.shape for row in outputs]} and {[row.shape for row in exact]}"
        return Check(AREA, name, "differs", other, None, bound, remark)
    worst = max(float(abs(row - wanted).max(initial=0)) for row, wanted in zip(outputs, exact, strict=True))
    worst /= largest(exact)
    return Check(AREA, name, "agrees" if worst <= bound else "differs", other, worst, bound)


def largest(outputs: Sequence[Array]) -> float:
    """The scale of outputs, at least 1: small ones may lie closer together than their roundings."""
    return max(1.0, *(float(abs(row).max(initial=0)) for row in outputs))
