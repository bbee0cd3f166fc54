import logging
from pathlib import Path

import numpy as np
import pytest

from bartleby.errors import CheckpointError, MismatchError

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.report import Keys  # noqa: E402
from tests.backends.pytorch.saved_models import config_of, rewritten, small  # noqa: E402

LOGGER = "bartleby.backends.report"


def test_a_missing_head_is_drawn_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    models.BartModel(config_of(models.BartModel, init_std=0.5)).save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, LOGGER):
        model, told = models.BartForSequenceClassification.from_pretrained(
            tmp_path, id2label={0: "no", 1: "yes"}, output_loading_info=True
        )
    names = [f"classification_head.{part}.{kind}" for part in ("dense", "out_proj") for kind in ("weight", "bias")]
    assert told["missing_keys"] == names
    assert all(name in caplog.text for name in names)
    assert model.classification_head.out_proj.weight.shape[0] == 2
    assert 0.3 < float(model.classification_head.dense.weight.detach().std()) < 0.7
    assert not model.classification_head.dense.bias.any()
    assert not model.training


def test_a_missing_logits_bias_is_zeros_and_nothing_to_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = small(models.BartForConditionalGeneration)
    model.final_logits_bias.fill_(3)
    loaded = models.BartForConditionalGeneration.from_pretrained(
        rewritten(tmp_path, model, drop=("final_logits_bias",))
    )
    assert not loaded.final_logits_bias.any()
    assert caplog.text == ""


def test_a_body_with_holes_is_refused_and_every_hole_named(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration)
    gone = ("model.encoder.layers.0.fc1.bias", "model.decoder.layernorm_embedding.weight")
    folder = rewritten(
        tmp_path, model, drop=gone, put={"model.encoder.embed_positions.weight": np.zeros((3, 2), np.float32)}
    )
    with pytest.raises(CheckpointError) as refusal:
        models.BartForConditionalGeneration.from_pretrained(folder)
    assert all(f"`{name}` is missing" in str(refusal.value) for name in gone)
    assert "`model.encoder.embed_positions.weight` has shape (3, 2) in the file, but the configuration says" in str(
        refusal.value
    )
    with pytest.raises(CheckpointError, match="2 faults"):  # what is missing is no matter of size
        models.BartForConditionalGeneration.from_pretrained(folder, ignore_mismatched_sizes=True)


def test_misshapen_weights_can_be_drawn_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small(models.BartForConditionalGeneration).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="ignore_mismatched_sizes=True"):
        models.BartForConditionalGeneration.from_pretrained(tmp_path, vocab_size=60)
    with caplog.at_level(logging.WARNING, LOGGER):
        model, told = models.BartForConditionalGeneration.from_pretrained(
            tmp_path, vocab_size=60, ignore_mismatched_sizes=True, output_loading_info=True
        )
    assert ("final_logits_bias", (1, 50), (1, 60)) in told["mismatched_keys"]
    assert "model.shared.weight" in caplog.text
    assert model.lm_head.weight is model.model.shared.weight
    assert model.lm_head.weight.shape[0] == 60
    assert not model.final_logits_bias.any()
    assert not model.model.shared.weight[model.config.pad_token_id].any()


def test_weights_it_has_no_use_for_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = small(models.BartModel)
    with caplog.at_level(logging.WARNING, LOGGER):
        models.BartModel.from_pretrained(rewritten(tmp_path, model, put={"encoder.adapter": np.zeros(2, np.float32)}))
    assert "encoder.adapter" in caplog.text


def test_a_caller_who_asks_to_be_told_gets_the_rest_drawn(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration, init_std=0.5)
    gone = ("model.encoder.layers.0.fc1.weight", "model.encoder.layers.0.fc1.bias")
    loaded, told = models.BartForConditionalGeneration.from_pretrained(
        rewritten(tmp_path, model, drop=gone), output_loading_info=True
    )
    assert told["missing_keys"] == sorted(gone, reverse=True)
    first = loaded.model.encoder.layers[0]
    assert 0.3 < float(first.fc1.weight.detach().std()) < 0.7
    assert torch.equal(first.fc2.weight, model.model.encoder.layers[0].fc2.weight)


def test_a_wrong_shape_is_an_error_of_torch_too(tmp_path: Path) -> None:
    small(models.BartForSequenceClassification, num_labels=3).save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes=True") as refusal:
        models.BartForSequenceClassification.from_pretrained(tmp_path, num_labels=42)
    assert isinstance(refusal.value, MismatchError)


def test_weights_of_another_head_are_unexpected_but_no_cause_for_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small(models.BartForConditionalGeneration).save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, LOGGER):
        _, told = models.BartModel.from_pretrained(tmp_path, output_loading_info=True)
    assert told["unexpected_keys"] == ["final_logits_bias"]
    assert caplog.text == ""


def test_names_are_a_list_and_equal_the_set_of_them() -> None:
    keys = Keys(["a", "b"])
    assert keys == ["a", "b"]
    assert keys == {"b", "a"}
    assert {"b", "a"} == keys
    assert keys != ["b", "a"]
    assert keys != {"a"}
    assert Keys() == set()
    assert isinstance(keys, list)
