import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.errors import CheckpointError
from tests.parity.random_models import small_bart

tf = pytest.importorskip(
    "tensorflow", reason='the TensorFlow wing is not installed: pip install "bartleby[tensorflow]"'
)

from bartleby.backends.keras import models  # noqa: E402  after the skip
from bartleby.backends.keras.exporting import export  # noqa: E402


@pytest.fixture(scope="module")
def model() -> Any:
    return models.TFBartForConditionalGeneration(small_bart())


def inputs(dtype: Any) -> dict[str, Any]:
    ids = tf.constant([[0, 5, 6, 2], [0, 7, 2, 1]], dtype)
    mask = tf.cast(ids != 1, dtype)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "decoder_input_ids": ids[:, :3],
        "decoder_attention_mask": mask[:, :3],
    }


def test_what_is_exported_computes_what_the_model_computes(tmp_path: Path, model: Any) -> None:
    model.save_pretrained(tmp_path, saved_model=True)
    model.save_pretrained(tmp_path, saved_model=True)  # in the place of the first
    assert os.listdir(tmp_path / "saved_model") == ["1"]
    loaded = tf.saved_model.load(os.fspath(tmp_path / "saved_model" / "1"))
    for name, dtype in (("serving_default", tf.int32), ("int64_serving", tf.int64)):
        given = inputs(dtype)
        found, expected = loaded.signatures[name](**given), model(**given)
        assert {"logits", "encoder_last_hidden_state", "past_key_values"} <= found.keys()
        np.testing.assert_allclose(found["logits"], expected.logits, atol=1e-6)
        assert found["past_key_values"].shape == (1, 2, 2, 2, 3, 8)  # layers first


def test_signatures_and_version_are_the_callers(tmp_path: Path, model: Any) -> None:
    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32, name="ids")])
    def logits(ids: Any) -> dict[str, Any]:
        return {"logits": model.call(ids, decoder_input_ids=ids).logits}

    model.save_pretrained(tmp_path, saved_model=True, version=3, signatures={"score": logits})
    loaded = tf.saved_model.load(os.fspath(tmp_path / "saved_model" / "3"))
    assert list(loaded.signatures) == ["score"]
    assert loaded.signatures["score"](ids=tf.constant([[0, 5, 2]]))["logits"].shape == (1, 3, 50)


def test_serving_gives_tensors_by_name(model: Any) -> None:
    given = inputs(tf.int32)
    found = model.serving(given)
    assert found.keys() == model.eager_serving(given).keys()
    assert all(tf.is_tensor(value) for value in found.values())
    np.testing.assert_allclose(found["logits"], model.eager_serving(given)["logits"], atol=1e-6)


def test_an_export_that_fails_leaves_what_was_there(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "saved_model" / "1"
    place.mkdir(parents=True)
    (place / "saved_model.pb").write_bytes(b"earlier")

    def full(*args: Any, **kwargs: Any) -> None:
        Path(args[1]).mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(CheckpointError, match="could not be saved: No space left on device"):
        export(model, os.fspath(place), {})
    assert (place / "saved_model.pb").read_bytes() == b"earlier"
    assert os.listdir(place.parent) == ["1"]
