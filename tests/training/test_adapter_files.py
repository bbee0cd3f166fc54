import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bartleby.backends.pytorch.models import (
    BartForCausalLM,
    BartForQuestionAnswering,
    BartForSequenceClassification,
    BlenderbotForConditionalGeneration,
)
from bartleby.errors import CheckpointError, OptionError
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.training.adapter_files import load_adapter, save_adapter
from bartleby.training.freezing import freeze
from bartleby.training.lora import add_adapters, has_adapters
from tests.training.test_lora import IDS, SIZES, adapted, logits, stirred, writer


@pytest.mark.parametrize("kind", [BartForSequenceClassification, BartForQuestionAnswering])
def test_new_heads_learn_in_full_and_travel_with_the_adapters(kind: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = kind(BartConfig(**SIZES)).eval()
    head = "classification_head" if kind is BartForSequenceClassification else "qa_outputs"
    add_adapters(model, rank=2, targets="all", alpha=4.0)
    assert all(parameter.requires_grad for parameter in model.get_submodule(head).parameters())
    assert not any("lora" in name for name, _ in model.get_submodule(head).named_parameters())
    stirred(model)
    save_adapter(model, tmp_path)
    torch.manual_seed(0)
    other = kind(BartConfig(**SIZES)).eval()
    with torch.no_grad():
        for parameter in other.get_submodule(head).parameters():
            parameter.add_(1.0)
    load_adapter(other, tmp_path)
    with torch.no_grad():
        assert torch.equal(model(IDS)[0], other(IDS)[0])
    document = json.loads((tmp_path / "adapter_config.json").read_text())
    assert document["modules_to_save"] == [head]
    if head == "classification_head":  # its `out_proj` must not be taken for a layer's
        assert "out_proj" not in document["target_modules"]
        assert {"self_attn.out_proj", "encoder_attn.out_proj"} <= set(document["target_modules"])


def test_files_have_the_names_that_peft_reads(tmp_path: Path) -> None:
    from safetensors import safe_open

    save_adapter(adapted("qv"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    with safe_open(tmp_path / "adapter_model.safetensors", "pt") as file:
        names = set(file.keys())
        first = file.get_tensor("base_model.model.model.decoder.layers.1.encoder_attn.v_proj.lora_A.weight")
    assert first.shape == (3, 16)
    assert "base_model.model.model.encoder.layers.0.self_attn.q_proj.lora_B.weight" in names
    document = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (document["peft_type"], document["task_type"]) == ("LORA", "SEQ_2_SEQ_LM")
    assert (document["r"], document["lora_alpha"], document["bias"]) == (3, 6.0, "none")
    assert document["target_modules"] == ["q_proj", "v_proj"]


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    model = adapted("all", tie_word_embeddings=True)
    save_adapter(model, tmp_path)
    other = writer()
    load_adapter(other, tmp_path)
    assert torch.equal(logits(model), logits(other))
    save_adapter(other, tmp_path / "again")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_adapters_that_were_frozen_are_saved_too(tmp_path: Path) -> None:
    model = adapted("qv")
    freeze(model, ["decoder"])
    save_adapter(model, tmp_path)
    other = writer()
    load_adapter(other, tmp_path)
    assert torch.equal(logits(model), logits(other))


def test_files_of_more_than_plain_adapters_are_refused(tmp_path: Path) -> None:
    save_adapter(adapted("qv"), tmp_path)
    document = json.loads((tmp_path / "adapter_config.json").read_text())
    changed = {**document, "use_dora": True, "rank_pattern": {"q_proj": 2}, "r": "3"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(changed))
    with pytest.raises(CheckpointError, match=r"3 faults(?s:.*)`use_dora`(?s:.*)`rank_pattern`(?s:.*)`r` must"):
        load_adapter(writer(), tmp_path)


def test_adapters_of_another_model_are_refused(tmp_path: Path) -> None:
    save_adapter(adapted("qv"), tmp_path)
    with pytest.raises(CheckpointError, match=r"layers\.1(?s:.*)is no projection of the model"):
        load_adapter(writer(encoder_layers=1), tmp_path)
    other = writer(d_model=32)
    with pytest.raises(CheckpointError, match=r"must have shape \(3, 32\), but has \(3, 16\)"):
        load_adapter(other, tmp_path)
    assert not has_adapters(other)
    assert all(parameter.requires_grad for parameter in other.parameters())


def test_adapters_of_every_model_of_the_family_can_be_saved(tmp_path: Path) -> None:
    for kind, config in ((BlenderbotForConditionalGeneration, BlenderbotConfig), (BartForCausalLM, BartConfig)):
        model = kind(config(**SIZES))
        add_adapters(model, rank=2, targets="all", alpha=4.0)
        save_adapter(stirred(model.eval()), tmp_path / kind.__name__)
        other = kind(config(**SIZES))
        load_adapter(other, tmp_path / kind.__name__)
        assert has_adapters(other)


def test_without_adapters_there_is_nothing_to_save(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="must have adapters"):
        save_adapter(writer(), tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
