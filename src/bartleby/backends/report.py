"""What of a file did not fit a model: refused, logged, or handed to the caller who asked."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from bartleby.backends.options import ReadingOptions
from bartleby.checkpoints.names import HEADS, REMNANTS, LoadingReport
from bartleby.errors import CheckpointError, MismatchError, raise_all

logger = logging.getLogger(__name__)


def refuse_incomplete(
    report: LoadingReport, options: ReadingOptions, drawable: Collection[str] = (), are_given: bool = False
) -> None:
    """Refuse what would be drawn at random without the caller's knowing: the body of the model, or what is misshapen.

    What belongs to a head (or is `drawable`) may be missing. So may the body where the weights `are_given` by the
    caller, or where the caller asked to be told.
    Raises: CheckpointError with all that is missing, MismatchError if something has another shape.
    """
    faults: list[str] = []
    if not options.output_loading_info and not are_given:
        missing = [name for name in report.missing if not HEADS.fullmatch(name) and name not in drawable]
        faults += [f"`{name}` is missing." for name in missing]
    misshapen = [] if options.ignore_mismatched_sizes else [f"{mismatch}." for mismatch in report.mismatched]
    if misshapen:
        faults += [*misshapen, "Correct the config, or pass `ignore_mismatched_sizes=True` to draw these anew."]
    raise_all(MismatchError if misshapen else CheckpointError, faults, report.subject)


def tell(report: LoadingReport, model_name: str, done: str = "drawn at random instead") -> None:
    """Log what a caller should know: weights that were not there and what was done, and weights left in the file."""
    drawn = [*report.missing, *(mismatch.name for mismatch in report.mismatched)]
    if drawn:
        logger.warning(
            "%s: %s does not fit or lacks %s, %s. Train before relying on the outputs.",
            model_name,
            report.subject,
            ", ".join(drawn),
            done,
        )
    if report.unexpected:
        unused = ", ".join(report.unexpected)
        logger.warning("%s has no use for these weights of %s: %s.", model_name, report.subject, unused)


class Keys(list[Any]):
    """Names of weights: a list, as release 4 gave it, that equals a set of the same names, which release 5 gives."""

    __hash__ = None  # as every list

    def __eq__(self, other: object) -> bool:
        return set(self) == other if isinstance(other, set | frozenset) else super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def loading_info(report: LoadingReport, own: Mapping[str, str]) -> dict[str, list[Any]]:
    """The report in the published form, by the model's own names; weights of another head count as unexpected there."""
    mismatched = [(own[each.name], each.stored, each.expected) for each in report.mismatched]
    of_other_heads = [name for name in report.unused if not REMNANTS.fullmatch(name)]
    return {
        "missing_keys": Keys(own[name] for name in report.missing),
        "unexpected_keys": Keys([*report.unexpected, *of_other_heads]),
        "mismatched_keys": Keys(mismatched),
        "error_msgs": [],
    }
