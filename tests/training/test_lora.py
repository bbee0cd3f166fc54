from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bartleby.backends.pytorch.model import Model
from bartleby.backends.pytorch.models import (
    BartForCausalLM,
    BartForConditionalGeneration,
    BlenderbotForConditionalGeneration,
)
from bartleby.errors import CheckpointError, OptionError
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.training.lora import (
    adapter_state,
    add_adapters,
    has_adapters,
    load_adapter_state,
    merge,
    merged,
)

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "max_position_embeddings": 16,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
}
IDS = torch.tensor([[5, 6, 7, 2], [8, 9, 10, 2]])
CLOSE = 1e-5


def writer(**fields: Any) -> BartForConditionalGeneration:
    torch.manual_seed(0)
    return BartForConditionalGeneration(BartConfig(**{**SIZES, **fields})).eval()


def stirred(model: Model) -> Model:
    """Adapters that change something: their B is no longer zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model


def logits(model: Model) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(IDS, decoder_input_ids=IDS).logits
    return found


def adapted(targets: str = "all", **fields: Any) -> Model:
    model = writer(**fields)
    add_adapters(model, rank=3, targets=targets, alpha=6.0)
    return stirred(model)


def test_a_model_with_new_adapters_is_the_one_it_was() -> None:
    model = writer()
    before = logits(model)
    add_adapters(model, rank=3, targets="all", alpha=6.0)
    assert torch.equal(logits(model), before)


def test_an_adapter_adds_what_the_paper_says() -> None:
    model = adapted("qv")
    layer: Any = model.get_submodule("model.encoder.layers.0.self_attn.q_proj")
    x = torch.randn(5, 16)
    by_hand = x @ layer.weight.T + layer.bias + 6.0 / 3 * (x @ layer.lora_A.weight.T) @ layer.lora_B.weight.T
    torch.testing.assert_close(layer(x), by_hand)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("targets", ["qv", "attention", "all"])
def test_merged_is_applied(targets: str, tied: bool) -> None:
    model = adapted(targets, tie_word_embeddings=tied)
    plain, applied = logits(writer(tie_word_embeddings=tied)), logits(model)
    assert (applied - plain).abs().max() > 1e-3  # there is something to merge
    with merged(model):
        assert not has_adapters(model)
        torch.testing.assert_close(logits(model), applied, rtol=0, atol=CLOSE)
    assert torch.equal(logits(model), applied)
    merge(model)
    assert not has_adapters(model)
    torch.testing.assert_close(logits(model), applied, rtol=0, atol=CLOSE)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.floats(0.5, 64), st.integers(0, 99))
def test_any_adapter_merges(rank: int, alpha: float, seed: int) -> None:
    model = writer(encoder_layers=1, decoder_layers=1)
    add_adapters(model, rank, "attention", alpha)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / alpha)
    applied = logits(model)
    merge(model)
    torch.testing.assert_close(logits(model), applied, rtol=1e-5, atol=CLOSE)


def test_only_adapters_learn() -> None:
    model = writer()
    count = add_adapters(model, rank=3, targets="qv", alpha=6.0)
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert len(learning) == 2 * 2 * (2 + 2 * 2)  # A and B of q and v, in two encoder and two decoder layers
    assert all(name.split(".")[-3] in ("q_proj", "v_proj") for name in learning)
    assert count == len(learning) * 16 * 3
    frozen = {name: parameter.clone() for name, parameter in model.named_parameters() if name not in learning}
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1.0)
    model(IDS, labels=IDS).loss.backward()
    optimizer.step()
    assert all(torch.equal(frozen[name], model.get_parameter(name)) for name in frozen)
    assert not torch.equal(logits(model), logits(writer()))


def test_layers_run_again_give_adapters_the_same_gradients() -> None:
    kept, again = adapted().train(), adapted().train()
    kept.config.dropout = 0.0
    again.gradient_checkpointing_enable()
    for model in (kept, again):
        for module in model.modules():
            if hasattr(module, "dropout") and isinstance(module.dropout, float):
                module.dropout = 0.0
        model(IDS, labels=IDS).loss.backward()
    for (name, one), (_, other) in zip(kept.named_parameters(), again.named_parameters(), strict=True):
        if one.requires_grad:
            assert one.grad is not None, name
            torch.testing.assert_close(one.grad, other.grad)


def test_merged_models_are_saved_and_loaded_as_plain_ones(tmp_path: Path) -> None:
    model = adapted()
    applied = logits(model)
    with merged(model):
        model.save_pretrained(tmp_path)
    torch.testing.assert_close(
        logits(BartForConditionalGeneration.from_pretrained(tmp_path)), applied, rtol=0, atol=CLOSE
    )
    assert torch.equal(logits(model), applied)


def test_a_mode_that_was_set_while_merged_stays() -> None:
    model = adapted().eval()
    with merged(model):
        model.train()
    assert all(module.training for module in model.modules())


def test_other_models_of_the_family_take_adapters() -> None:
    for model in (BlenderbotForConditionalGeneration(BlenderbotConfig(**SIZES)), BartForCausalLM(BartConfig(**SIZES))):
        add_adapters(model, rank=2, targets="all", alpha=4.0)
        stirred(model.eval())
        applied = model(IDS, **({} if isinstance(model, BartForCausalLM) else {"decoder_input_ids": IDS})).logits
        merge(model)
        plain = model(IDS, **({} if isinstance(model, BartForCausalLM) else {"decoder_input_ids": IDS})).logits
        torch.testing.assert_close(plain, applied, rtol=0, atol=CLOSE)


def test_the_state_of_adapters_goes_out_and_back() -> None:
    model = adapted("qv")
    state = {name: tensor.clone() for name, tensor in adapter_state(model).items()}
    before = logits(model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    assert not torch.equal(logits(model), before)
    load_adapter_state(model, state)
    assert torch.equal(logits(model), before)
    name, tensor = next(iter(state.items()))
    state[name] = tensor[:1]
    state["model.other"] = tensor
    with pytest.raises(CheckpointError, match=r"2 faults(?s:.*)must have shape(?s:.*)`model\.other`"):
        load_adapter_state(model, state)


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match=r"`rank` must(?s:.*)`alpha` must(?s:.*)`dropout` must(?s:.*)`targets` must"):
        add_adapters(writer(), rank=0, targets="most", alpha=0.0, dropout=1.0)
    with pytest.raises(OptionError, match="no adapters yet"):
        add_adapters(adapted())
