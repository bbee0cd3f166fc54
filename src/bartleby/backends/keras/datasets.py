"""Rows of a dataset as the batches that `fit` takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bartleby.backends.keras.inputs import argument_names
from bartleby.backends.keras.teaching import OUTPUT_OF_LABEL
from bartleby.errors import DataError

logger = logging.getLogger(__name__)

Array = npt.NDArray[Any]
Batch = Mapping[str, Any]
Collate = Callable[..., Batch]

LABEL_COLUMNS = {"label": "labels", "label_ids": "labels"}
"""What datasets call labels -> what models call them."""


class Feeding(keras.Model):
    """A model that can lay out datasets for itself."""

    def prepare_tf_dataset(
        self,
        dataset: Sequence[Batch],
        batch_size: int = 8,
        shuffle: bool = True,
        tokenizer: Any = None,
        collate_fn: Collate | None = None,
        collate_fn_args: Mapping[str, Any] | None = None,
        drop_remainder: bool | None = None,
        prefetch: bool = True,
    ) -> tf.data.Dataset:
        """Batches (inputs, labels) of rows that are dicts: a `datasets.Dataset`, or any sequence of dicts.

        Columns that the model has no argument for are left out, and told. Rows of unequal lengths need a `tokenizer`
        to pad them, or a `collate_fn` that makes a batch of a list of rows; the last batch is left out where it is
        smaller and `drop_remainder` says so, by default when rows are shuffled.
        Raises: DataError if there are no rows, or none of their columns is an argument.
        """
        if not len(dataset):
            raise DataError("`dataset` must have rows, but has none.")
        known = argument_names(type(self))
        _tell_left_out(dataset[0], known)
        gather = collate_fn or (_pad_with(tokenizer) if tokenizer is not None else _stack)

        def batch_of(indices: Iterable[int]) -> dict[str, Array]:
            rows = [_known(dataset[int(index)], known) for index in indices]
            return {name: np.asarray(value) for name, value in gather(rows, **(collate_fn_args or {})).items()}

        sample = batch_of(range(min(2, len(dataset))))
        names, types = list(sample), [value.dtype for value in sample.values()]

        def fetch(indices: tf.Tensor) -> tuple[Any, ...]:
            arrays = tf.numpy_function(lambda each: list(batch_of(each).values()), [indices], types)
            for name, array in zip(names, arrays, strict=True):
                array.set_shape((None,) * sample[name].ndim)
            return _apart(dict(zip(names, arrays, strict=True)))

        order = tf.data.Dataset.range(len(dataset))
        order = order.shuffle(len(dataset)) if shuffle else order
        batches = order.batch(batch_size, shuffle if drop_remainder is None else drop_remainder).map(fetch)
        return batches.prefetch(tf.data.AUTOTUNE) if prefetch else batches


def _known(row: Batch, names: Sequence[str]) -> dict[str, Any]:
    """What the model has arguments for."""
    renamed = {LABEL_COLUMNS.get(name, name): value for name, value in row.items()}
    return {name: value for name, value in renamed.items() if name in names}


def _tell_left_out(row: Batch, known: Sequence[str]) -> None:
    left_out = [name for name in row if LABEL_COLUMNS.get(name, name) not in known]
    if len(left_out) == len(row):
        raise DataError(f"None of the columns {', '.join(row)} is an argument of this model.")
    if left_out:
        logger.info("Columns left out, which the model has no argument for: %s.", ", ".join(left_out))


def _apart(batch: Batch) -> tuple[Any, ...]:
    """Inputs and labels, one alone without a name, as Keras likes them; only inputs if there are no labels."""
    labels = {name: value for name, value in batch.items() if name in OUTPUT_OF_LABEL}
    inputs = {name: value for name, value in batch.items() if name not in labels}
    if not labels:
        return (inputs,)
    return inputs, next(iter(labels.values())) if len(labels) == 1 else labels


def _pad_with(tokenizer: Any) -> Collate:
    return lambda rows: tokenizer.pad(rows, return_tensors="np")


def _stack(rows: Sequence[Batch]) -> Batch:
    shapes = {name: {np.shape(row[name]) for row in rows} for name in rows[0]}
    uneven = [name for name, found in shapes.items() if len(found) > 1]
    if uneven:
        raise DataError(f"Rows differ in length in {', '.join(uneven)}: give a `tokenizer` that pads them.")
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
