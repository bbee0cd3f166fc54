"""`generate(trace=True)`: what a tracer needs to know of a search on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bartleby.backends.pytorch.decoding.company import Company
from bartleby.backends.pytorch.decoding.rules import Rule
from bartleby.backends.pytorch.decoding.task import REASONS, Written
from bartleby.generation.trace import Trace


def watched(functions: list[Rule], before: Sequence[Any], cuts: Sequence[Any], company: Company) -> list[Rule]:
    """`functions`, watched by the company's tracer, if there is one.

    They are those of the rules `before` the caller's processors, the processors, those of `cuts`, and the warpers.
    """
    if company.tracer is None:
        return functions
    processors, warpers = len(company.logits_processor), len(company.logits_warper)
    labels = [*before, *["logits_processor"] * processors, *cuts, *["logits_warper"] * warpers]
    rules: list[Rule] = company.tracer.watched(functions, labels)
    return rules


def traced(written: Written, prompt_length: int, company: Company) -> Trace:
    """What the company's tracer tells of these outputs."""
    behind = written.ids[:, :, prompt_length:].tolist()
    of_sources = zip(behind, written.lengths.tolist(), written.reasons.tolist(), strict=True)
    trace: Trace = company.tracer.finish(
        [[(ids[:length], REASONS[reason]) for ids, length, reason in zip(*each, strict=True)] for each in of_sources]
    )
    return trace
