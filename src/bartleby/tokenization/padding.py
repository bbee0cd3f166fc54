"""Padding of columns that were encoded before: lists, arrays or tensors, for collation after the fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bartleby.errors import TokenizerError
from bartleby.tokenization.lengths import Lengths, PaddingStrategy, Side

Columns = dict[str, Any]


def pad_columns(
    encoded: Any, main: str, lengths: Lengths, fills: Mapping[str, int], side: Side, wants_mask: bool
) -> tuple[Columns, str | None]:
    """The padded columns, and the framework of the tensors that came in (None for lists).

    Raises: TokenizerError when there is no `main` column, or columns of a batch differ in their number of rows.
    """
    columns = gathered(encoded)
    if main not in columns:
        raise TokenizerError(
            f"What is padded must have {main!r}, but has {', '.join(map(repr, columns)) or 'nothing'}."
        )
    framework = framework_of(columns[main])
    columns = {key: listed(value) for key, value in columns.items()}
    if not columns[main]:
        return ({**columns, "attention_mask": []} if wants_mask else columns), framework
    single = not isinstance(columns[main][0], list | tuple)
    if single:
        columns = {key: [value] for key, value in columns.items()}
    count = len(columns[main])
    odd = [f"{key!r} has {len(value)}" for key, value in columns.items() if len(value) != count]
    if odd:
        raise TokenizerError(f"Every column must have {count} rows, as {main!r} has, but {', '.join(odd)}.")
    if wants_mask and "attention_mask" not in columns:
        columns["attention_mask"] = [[1] * len(row) for row in columns[main]]
    if lengths.padding is not PaddingStrategy.DO_NOT_PAD:
        goal = lengths.padded_length(max(len(row) for row in columns[main]))
        for key in fills.keys() & columns.keys():
            columns[key] = [padded(list(row), goal, fills[key], side) for row in columns[key]]
    return {key: value[0] for key, value in columns.items()} if single else columns, framework


def padded(row: list[int], goal: int, fill: int, side: Side) -> list[int]:
    """The row with `fill` on one side until it has `goal` items; a longer row stays as it is."""
    missing = [fill] * (goal - len(row))
    return row + missing if side == "right" else missing + row


def gathered(encoded: Any) -> Columns:
    """Columns of a batch, from columns or from a list of rows that have the same keys."""
    if isinstance(encoded, Mapping):
        return dict(encoded)
    if (
        not isinstance(encoded, Sequence)
        or isinstance(encoded, str)
        or not all(isinstance(row, Mapping) for row in encoded)
    ):
        raise TokenizerError(f"What is padded must be an encoding or a list of encodings, but is {encoded!r:.100}.")
    if not encoded:
        raise TokenizerError("What is padded must have at least one row, but the list is empty.")
    odd = [number for number, row in enumerate(encoded) if row.keys() != encoded[0].keys()]
    if odd:
        raise TokenizerError(
            f"Every row must have the keys {sorted(encoded[0])}, but number {odd[0]} has {sorted(encoded[odd[0]])}."
        )
    return {key: [row[key] for row in encoded] for key in encoded[0]}


def listed(value: Any) -> Any:
    """Arrays and tensors as lists, also inside a list."""
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    if callable(getattr(value, "numpy", None)):
        return value.numpy().tolist()
    return [listed(item) for item in value] if isinstance(value, list | tuple) else value


def framework_of(value: Any) -> str | None:
    """The `return_tensors` name of what a column is made of; None for lists of numbers."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    origin = type(value).__module__.partition(".")[0]
    return {"numpy": "np", "torch": "pt", "tensorflow": "tf", "jaxlib": "jax", "jax": "jax"}.get(origin)
