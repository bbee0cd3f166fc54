from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.backends.pytorch.models import BartForConditionalGeneration, BlenderbotForConditionalGeneration
from bartleby.errors import LengthError, OptionError
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from bartleby.training.lengthening import lengthen

SIZES: dict[str, Any] = {
    "vocab_size": 30,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
}


def blenderbot(positions: int = 128) -> BlenderbotForConditionalGeneration:
    torch.manual_seed(0)
    return BlenderbotForConditionalGeneration(BlenderbotConfig(**SIZES, max_position_embeddings=positions)).eval()


def bart(positions: int = 128) -> BartForConditionalGeneration:
    torch.manual_seed(0)
    return BartForConditionalGeneration(BartConfig(**SIZES, max_position_embeddings=positions)).eval()


def table(model: Any, side: str = "encoder") -> np.ndarray:
    return model.get_parameter(f"model.{side}.embed_positions.weight").detach().numpy().copy()


def stretched(old: np.ndarray, positions: int) -> np.ndarray:
    """The definition: place i of the new ones is where the old ones are at i · (old - 1) / (new - 1)."""
    places = np.arange(positions) * (len(old) - 1) / (positions - 1)
    return np.stack([np.interp(places, np.arange(len(old)), column) for column in old.T], axis=1)


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_128_positions_stretched_over_256(side: str) -> None:
    model = blenderbot()
    old = table(model, side)
    lengthen(model, 256)
    new = table(model, side)
    np.testing.assert_allclose(new, stretched(old, 256), atol=1e-6)
    np.testing.assert_allclose(new[[0, -1]], old[[0, -1]], atol=1e-6)
    # Two steps of the new table are 254/255 of one of the old: even places lie beside the old ones, a half at most.
    drift = np.abs(new[::2] - old) / np.maximum(np.abs(np.diff(old, axis=0)).max(axis=0), 1e-9)
    assert drift.max() <= 0.5


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 20))
def test_every_second_place_is_an_old_one_when_the_gaps_are_halved(positions: int) -> None:
    model = blenderbot(positions)
    old = table(model)
    lengthen(model, 2 * positions - 1)  # as many gaps again
    new = table(model)
    np.testing.assert_allclose(new[::2], old, atol=1e-6)
    np.testing.assert_allclose(new[1::2], (old[:-1] + old[1:]) / 2, atol=1e-6)


def test_the_two_rows_before_the_positions_of_bart_stay() -> None:
    model = bart(16)
    old = table(model)
    lengthen(model, 32)
    new = table(model)
    assert new.shape == (34, 16)
    assert np.array_equal(new[:2], old[:2])
    np.testing.assert_allclose(new[2:], stretched(old[2:], 32), atol=1e-6)


def test_repeating_and_extending_keep_the_old_places() -> None:
    old = table(bart(8))
    repeated, extended = bart(8), bart(8)
    lengthen(repeated, 20, "repeat")
    lengthen(extended, 20, "extend")
    assert np.array_equal(table(repeated)[2:], old[2:][np.arange(20) % 8])
    assert np.array_equal(table(extended)[:10], old)
    assert not table(extended)[10:].any()


@pytest.mark.parametrize("make", [blenderbot, bart])
def test_the_model_reads_writes_saves_and_learns_256_tokens(make: Any, tmp_path: Path) -> None:
    model = make()
    ids = torch.randint(4, 30, (1, 256), generator=torch.Generator().manual_seed(0))
    with pytest.raises(LengthError):
        model(ids, decoder_input_ids=ids)
    lengthen(model, 256)
    assert model.config.max_position_embeddings == 256
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(ids, decoder_input_ids=ids).logits, model(ids, decoder_input_ids=ids).logits)
    model(ids, labels=ids).loss.backward()
    for side in ("encoder", "decoder"):
        gradient = model.get_parameter(f"model.{side}.embed_positions.weight").grad
        assert gradient is not None
        assert bool((gradient[-256:].abs().sum(dim=1) > 0).all())


def test_the_tokenizer_follows() -> None:
    tokenizer = BlenderbotTokenizer.from_pretrained("bartleby-chat-mini")
    before = tokenizer.model_max_length
    lengthen(blenderbot(before), 2 * before, tokenizer=tokenizer)
    assert tokenizer.model_max_length == 2 * before
    assert len(tokenizer("so " * 200)["input_ids"]) > before


def test_shortening_and_unknown_methods_are_refused() -> None:
    with pytest.raises(OptionError, match=r"`method` must(?s:.*)`positions` must be more than the 128"):
        lengthen(blenderbot(), 128, "stretch")
