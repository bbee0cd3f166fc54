import logging
from typing import Any

import numpy as np
import pytest

from bartleby.errors import DataError
from bartleby.tokenization.encoding import BatchEncoding

pytest.importorskip("tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"')

from tests.backends.keras.reference_models import known

ROWS = [
    {"input_ids": [7, index, 2], "attention_mask": [1, 1, 1], "label": index % 3, "text": "…"} for index in range(4, 9)
]


class Padding:
    """As a tokenizer pads."""

    def pad(self, rows: list[dict[str, Any]], return_tensors: str) -> BatchEncoding:
        longest = max(len(row["input_ids"]) for row in rows)
        return BatchEncoding(
            {"input_ids": np.array([row["input_ids"] + [1] * (longest - len(row["input_ids"])) for row in rows])}
        )


def test_rows_become_batches_of_inputs_and_labels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    model = known(head="sequence_classification").model
    batches = list(model.prepare_tf_dataset(ROWS, batch_size=2, shuffle=False))
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    inputs, labels = batches[0]
    assert inputs.keys() == {"input_ids", "attention_mask"}
    assert inputs["input_ids"].numpy().tolist() == [[7, 4, 2], [7, 5, 2]]
    assert labels.numpy().tolist() == [1, 2]
    assert "Columns left out, which the model has no argument for: text." in caplog.text


def test_a_model_fits_to_them() -> None:
    model = known(head="sequence_classification").model
    model.compile("sgd", metrics=["accuracy"], run_eagerly=True)
    dataset = model.prepare_tf_dataset(ROWS, batch_size=2)
    assert len(dataset) == 2
    assert np.isfinite(model.fit(dataset, epochs=2, verbose=0).history["loss"]).all()


def test_shuffled_rows_are_all_there_and_the_rest_may_be_kept() -> None:
    model = known(head="none").model
    dataset = model.prepare_tf_dataset(ROWS, batch_size=2, drop_remainder=False, prefetch=False)
    seen = [int(ids[1]) for (inputs,) in dataset for ids in inputs["input_ids"]]
    assert sorted(seen) == [4, 5, 6, 7, 8]


def test_rows_of_unequal_lengths_need_padding() -> None:
    model = known().model
    rows = [{"input_ids": [7, 2]}, {"input_ids": [7, 8, 2]}]
    with pytest.raises(DataError, match="differ in length in input_ids: give a `tokenizer`"):
        model.prepare_tf_dataset(rows)
    ((inputs,),) = model.prepare_tf_dataset(rows, shuffle=False, tokenizer=Padding())
    assert inputs["input_ids"].numpy().tolist() == [[7, 2, 1], [7, 8, 2]]
    ((inputs,),) = model.prepare_tf_dataset(
        rows,
        shuffle=False,
        collate_fn=lambda rows, width: {"input_ids": np.zeros((len(rows), width), int)},
        collate_fn_args={"width": 4},
    )
    assert inputs["input_ids"].shape == (2, 4)


@pytest.mark.parametrize(("rows", "told"), [([], "must have rows"), ([{"text": "…"}], "None of the columns text")])
def test_what_makes_no_batch_is_refused(rows: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(DataError, match=told):
        known().model.prepare_tf_dataset(rows)
