import json
from pathlib import Path
from typing import Any

import pytest

from bartleby.checkpoints.containers import open_weights
from bartleby.errors import CheckpointError, OptionError

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from tests.backends.pytorch.saved_models import equal, small  # noqa: E402

LOGGER = "bartleby.backends.report"


def test_a_folder_says_what_it_holds(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration).to(torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size="5KB")
    fields = json.loads((tmp_path / "config.json").read_text())
    assert fields["architectures"] == ["BartForConditionalGeneration"]
    assert (fields["dtype"], fields["torch_dtype"], fields["model_type"]) == ("bfloat16", "bfloat16", "bart")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    with open_weights(tmp_path) as stored:
        assert "model.shared.weight" in stored.names()
        assert not {"lm_head.weight", "model.encoder.embed_tokens.weight"} & set(stored.names())  # ties are saved once
        assert {stored.dtype(name) for name in stored.names()} == {"bfloat16"}
    assert model.config.architectures is None  # the model's own config is left as it was


def test_a_model_that_its_config_does_not_describe_is_not_saved(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration)
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    model.model.encoder.layers[0].fc1 = torch.nn.Linear(3, 2)
    model.adapter = torch.nn.Linear(1, 1, bias=False)
    with pytest.raises(CheckpointError) as refusal:
        model.save_pretrained(tmp_path / "folder")
    message = str(refusal.value)
    assert "`lm_head.weight` and `model.shared.weight` differ, but the config ties them. Call tie_weights" in message
    assert "`model.encoder.layers.0.fc1.weight` has shape (2, 3), but the config says" in message
    assert "`adapter.weight` is in the model, but not in its config" in message
    assert not (tmp_path / "folder").exists()


def test_other_weights_and_other_processes(tmp_path: Path) -> None:
    model = small(models.BartModel)
    model.save_pretrained(tmp_path / "none", is_main_process=False)
    assert not (tmp_path / "none").exists()
    halved = {name: tensor / 2 for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path / "halved", state_dict=halved)
    loaded = models.BartModel.from_pretrained(tmp_path / "halved").state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in halved.items())


def test_a_model_can_be_saved_over_the_folder_it_came_from(tmp_path: Path) -> None:
    model = small(models.BartModel)
    model.save_pretrained(tmp_path)
    models.BartModel.from_pretrained(tmp_path).save_pretrained(tmp_path)
    assert equal(models.BartModel.from_pretrained(tmp_path), model)


def test_parts_of_a_model_can_be_saved(tmp_path: Path) -> None:
    model = small(models.BartForConditionalGeneration)
    parts = {name: tensor for name, tensor in model.state_dict().items() if "decoder" not in name}
    model.save_pretrained(tmp_path, state_dict=parts)
    with open_weights(tmp_path) as stored:
        assert set(stored.names()) < set(parts)
        assert "model.encoder.layers.0.fc1.weight" in stored.names()
    with pytest.raises(CheckpointError, match=r"`model\.decoder\.layers\.0"):
        models.BartForConditionalGeneration.from_pretrained(tmp_path)


def test_arguments_of_training_scripts_are_accepted(tmp_path: Path) -> None:
    """accelerate's examples pass these three."""
    model = small(models.BartModel)
    model.save_pretrained(
        tmp_path, is_main_process=True, save_function=torch.save, state_dict=model.state_dict(), token=None
    )
    assert equal(models.BartModel.from_pretrained(tmp_path), model)


@pytest.mark.parametrize("max_shard_size", ["50kB", "20KiB", 30_000])
def test_shards_keep_the_size_asked_for(tmp_path: Path, max_shard_size: Any) -> None:
    model = small(models.BartForConditionalGeneration, d_model=32, encoder_ffn_dim=24)
    model.save_pretrained(tmp_path, max_shard_size=max_shard_size)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert all(shard.stat().st_size < 50_000 + 10_000 for shard in shards)
    assert equal(models.BartForConditionalGeneration.from_pretrained(tmp_path), model)


def test_other_ways_of_saving_are_refused_with_what_to_do(tmp_path: Path) -> None:
    model = small(models.BartModel)
    wishes: list[tuple[dict[str, Any], str]] = [
        ({"push_to_hub": True}, "`push_to_hub` must be False: save to a folder and upload it with `hf upload`"),
        ({"safe_serialization": False}, "`safe_serialization` must be True: pickles are read, but never written"),
        ({"distributed_checkpoint": True}, "`distributed_checkpoint` must be False"),
        ({"max_shard": "5GB"}, "`max_shard` is not an argument of save_pretrained"),
        ({"variant": "a/b"}, "`variant` must be letters"),
    ]
    for wish, refusal in wishes:
        with pytest.raises(OptionError, match=refusal):
            model.save_pretrained(tmp_path, **wish)
    with pytest.raises(OptionError, match="upload it with `hf upload`"):
        model.push_to_hub("someone/model")
    assert list(tmp_path.iterdir()) == []
