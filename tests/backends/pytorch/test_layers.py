from typing import Any

import pytest

from bartleby.errors import ConfigError, LengthError, VocabularyError
from tests.parity.random_models import MODEL_TYPES, random_config, seeded, small_bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.cache import EncoderDecoderCache  # noqa: E402  after the skip
from bartleby.backends.pytorch.layers import (  # noqa: E402
    Attention,
    DecoderLayer,
    EncoderLayer,
    LearnedPositions,
    TokenEmbedding,
    learns_openly,
)

STATES = torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(0))


def test_token_vectors_are_scaled_and_ids_checked() -> None:
    table = TokenEmbedding(10, 4, padding_idx=1, embed_scale=2.0)
    assert torch.equal(table(torch.tensor([[3]])), table.weight[3].view(1, 1, 4) * 2)
    with pytest.raises(VocabularyError, match="between 0 and 9"):
        table(torch.tensor([[10]]))


def test_positions_are_built_and_called_as_published() -> None:
    table = LearnedPositions(6, 4)
    assert table.weight.shape == (8, 4)  # BART's two rows more
    ids = torch.zeros(3, 2, dtype=torch.long)
    assert torch.equal(table(ids), table.weight[2:4].expand(3, 2, 4))
    assert torch.equal(table(ids.shape, 3), table.weight[5:7].expand(3, 2, 4))
    assert torch.equal(table(ids, position_ids=torch.tensor([4, 0])), table.weight[[6, 2]].expand(3, 2, 4))
    rows = torch.tensor([[0, 1], [1, 2], [5, 0]])
    assert torch.equal(table(ids, position_ids=rows), table.weight[rows + 2])
    assert LearnedPositions(6, 4, offset=0).weight.shape == (6, 4)


def test_positions_that_are_not_there_are_refused() -> None:
    table = LearnedPositions(6, 4)
    for place in ({"past_key_values_length": 5}, {"position_ids": torch.tensor([5, 6])}):
        with pytest.raises(LengthError, match="has 7 tokens, but this model has 6 positions"):
            table(torch.zeros(1, 2, dtype=torch.long), **place)


def test_attention_is_built_and_called_as_published() -> None:
    attention = Attention(embed_dim=16, num_heads=2, dropout=0.0, is_decoder=True, bias=True).eval()
    output, weights = attention(STATES, output_attentions=True)
    assert (output.shape, weights.shape) == (STATES.shape, (2, 2, 4, 4))
    fused, nothing = attention(hidden_states=STATES)
    torch.testing.assert_close(fused, output)
    assert nothing is None
    crossed, weights = attention(STATES, STATES[:, :3], None, None, None, True)
    assert (crossed.shape, weights.shape) == (STATES.shape, (2, 2, 4, 3))
    with pytest.raises(ConfigError, match="`embed_dim` must be divisible by `num_heads`, but 16 is not by 3"):
        Attention(16, 3)


def test_openly_computed_attention_is_causal_where_the_fused_one_is() -> None:
    attention = Attention(16, 2, is_causal=True).eval()
    fused, _ = attention(STATES)
    shown, weights = attention(STATES, output_attentions=True)
    torch.testing.assert_close(shown, fused)
    assert not weights.triu(1).any()


def test_weights_in_float64_are_exact_and_finite_where_all_is_hidden() -> None:
    attention = Attention(16, 2).double()
    hidden = torch.full((1, 1, 1, 4), torch.finfo(torch.float64).min / 2, dtype=torch.float64)
    _, weights = attention(STATES.double(), attention_mask=hidden, output_attentions=True)
    assert weights.dtype == torch.float64
    assert torch.allclose(weights.sum(dim=-1), torch.ones((), dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_mask_of_heads_scales_what_they_say() -> None:
    attention = Attention(16, 2).eval()
    masked, weights = attention(STATES, layer_head_mask=torch.tensor([0.0, 0.5]), output_attentions=True)
    assert not weights[:, 0].any()
    torch.testing.assert_close(weights[:, 1].sum(-1), torch.full((2, 4), 0.5))
    again, _ = attention(STATES, layer_head_mask=torch.tensor([0.0, 0.5]))
    torch.testing.assert_close(again, masked)
    mask = torch.ones(2, requires_grad=True)
    attention(STATES, layer_head_mask=mask)[0].sum().backward()
    assert mask.grad is not None


def test_heads_are_counted_as_in_the_whole_layer() -> None:
    attention = Attention(16, 4).eval()
    mask = torch.tensor([1.0, 0, 1, 0])
    expected, _ = attention(STATES, layer_head_mask=mask)
    attention.prune_heads([3])
    attention.prune_heads([1])
    torch.testing.assert_close(attention(STATES)[0], expected)
    assert attention.heads_left == [0, 2]
    with pytest.raises(ConfigError, match="some, but not all, of 0 to 3"):
        attention.prune_heads([0, 2])


def test_layers_are_built_and_called_as_published() -> None:
    config = small_bart()
    encoder, decoder = EncoderLayer(config).eval(), DecoderLayer(config, layer_idx=0).eval()
    assert [output.shape for output in encoder(STATES, None, None)] == [STATES.shape]
    hidden, weights = encoder(STATES, attention_mask=None, layer_head_mask=torch.ones(2), output_attentions=True)
    assert (hidden.shape, weights.shape) == (STATES.shape, (2, 2, 4, 4))
    hidden, weights, crossed = decoder(STATES, encoder_hidden_states=STATES[:, :3], output_attentions=True)
    assert (weights.shape, crossed.shape) == ((2, 2, 4, 4), (2, 2, 4, 3))
    cache = EncoderDecoderCache(())
    parts = [decoder(STATES[:, a:b], None, STATES[:, :3], past_key_values=cache)[0] for a, b in ((0, 3), (3, 4))]
    torch.testing.assert_close(torch.cat(parts, 1), hidden)
    assert "past_key_values" not in dir(decoder)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("layer_class", [EncoderLayer, DecoderLayer])
def test_halves_do_not_overflow_into_nothing(model_type: str, layer_class: Any) -> None:
    layer = layer_class(random_config(seeded("halves", model_type), model_type), 0).eval()
    with torch.no_grad():
        for projection in (layer.fc1, layer.fc2, layer.self_attn.out_proj):
            projection.weight.mul_(3000)
    hidden = torch.randn(1, 3, layer.embed_dim, generator=torch.Generator().manual_seed(0))
    if layer.norm_first:
        hidden = hidden.mul(6e4).clamp(-6e4, 6e4)  # nothing holds the sum back but the clamp
    assert float(layer(hidden)[0].detach().abs().max()) > 65504 or not layer.norm_first
    for output_attentions in (True, False):
        output = layer.half()(hidden.half(), output_attentions=output_attentions)[0]
        assert torch.isfinite(output).all()


@pytest.mark.parametrize("mask", [None, "some", "all"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_attention_learns_in_bfloat16_what_it_learns_in_float32(is_causal: bool, mask: str | None) -> None:
    torch.manual_seed(0)
    attention = Attention(16, 2, is_causal=is_causal)
    bias = None
    if mask is not None:
        bias = torch.zeros(2, 1, 1, 4)
        bias[1, :, :, 2 if mask == "some" else 0 :] = torch.finfo(torch.float32).min
    gradients = {}
    for dtype in (torch.float32, torch.bfloat16):
        states = STATES.clone().to(dtype).requires_grad_()
        # the fused kernel's way back loses the sum where all is hidden, so float32 goes the other way
        shown = dtype == torch.float32
        attention.to(dtype)(states, attention_mask=bias, output_attentions=shown)[0].float().square().sum().backward()
        gradients[dtype] = states.grad.float()
    assert learns_openly(STATES.bfloat16().requires_grad_())
    assert not learns_openly(STATES.bfloat16())
    torch.testing.assert_close(gradients[torch.bfloat16], gradients[torch.float32], rtol=0.1, atol=0.02)
