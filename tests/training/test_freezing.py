from typing import Any

import pytest
import torch

from bartleby.backends.pytorch.models import BartForCausalLM, BartForConditionalGeneration
from bartleby.errors import OptionError
from bartleby.family.config import BartConfig
from bartleby.training.freezing import freeze

SIZES: dict[str, Any] = {
    "vocab_size": 30,
    "max_position_embeddings": 12,
    "d_model": 16,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
}


def model(**fields: Any) -> BartForConditionalGeneration:
    torch.manual_seed(0)
    return BartForConditionalGeneration(BartConfig(**{**SIZES, **fields}))


def frozen(parts: list[str], **fields: Any) -> set[str]:
    writer = model(**fields)
    count = freeze(writer, parts)
    found = {name for name, parameter in writer.named_parameters() if not parameter.requires_grad}
    assert count == sum(writer.get_parameter(name).numel() for name in found)
    return found


def test_the_encoder_is_frozen_without_the_table_that_the_decoder_shares() -> None:
    found = frozen(["encoder"])
    assert all(name.startswith("model.encoder.") for name in found)
    assert {"model.encoder.embed_positions.weight", "model.encoder.layernorm_embedding.bias"} <= found
    assert "model.shared.weight" not in found
    assert len(found) == 3 * 16 + 3


def test_embeddings_are_one_table_or_several() -> None:
    assert frozen(["embeddings"]) == {"model.shared.weight"}
    assert frozen(["embeddings"], tie_word_embeddings=False) == {
        "model.shared.weight",
        "model.encoder.embed_tokens.weight",
        "model.decoder.embed_tokens.weight",
    }


def test_first_layers_positions_and_patterns_go_together() -> None:
    found = frozen(["decoder:2", "positions", "model.encoder.layers.2.fc?.*"])
    layers = {name for name in found if ".decoder.layers." in name}
    assert {name.split(".")[3] for name in layers} == {"0", "1"}
    assert len(layers) == 2 * 26
    assert found - layers == {
        "model.encoder.embed_positions.weight",
        "model.decoder.embed_positions.weight",
        *(f"model.encoder.layers.2.{name}.{kind}" for name in ("fc1", "fc2") for kind in ("weight", "bias")),
    }


def test_what_is_frozen_stays_as_it_is_when_the_rest_learns() -> None:
    writer = model()
    freeze(writer, ["encoder", "embeddings"])
    before = {name: parameter.clone() for name, parameter in writer.named_parameters()}
    optimizer = torch.optim.SGD(writer.parameters(), lr=0.5)
    ids = torch.tensor([[5, 6, 7, 2]])
    writer(ids, labels=ids).loss.backward()
    optimizer.step()
    moved = {name for name, parameter in writer.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved
    assert all(name.startswith("model.decoder.") for name in moved)


def test_a_decoder_alone_has_parts_too() -> None:
    writer = BartForCausalLM(BartConfig(**SIZES))
    assert freeze(writer, ["embeddings"]) == 30 * 16
    with pytest.raises(OptionError, match="'encoder' is none"):
        freeze(writer, ["encoder"])


def test_parts_that_are_not_there_are_named() -> None:
    with pytest.raises(OptionError, match=r"2 faults(?s:.*)'encoder:4' is none(?s:.*)'tail' is none"):
        freeze(model(), ["encoder:4", "tail", "encoder:3"])
    with pytest.raises(OptionError, match="must leave something to learn"):
        freeze(model(), ["encoder", "decoder", "embeddings"])
