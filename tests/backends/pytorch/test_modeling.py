import math
from typing import Any

import pytest

from bartleby.errors import LengthError, ShapeError, VocabularyError
from tests.parity.random_models import MODEL_TYPES, POSITIONS, VOCABULARY, random_config, seeded, small_bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.modeling import Decoder, Encoder  # noqa: E402  after the skip


@pytest.fixture(params=MODEL_TYPES)
def config(request: pytest.FixtureRequest) -> Any:
    return random_config(seeded("modeling"), request.param)


def test_states_are_recorded_before_the_first_layer_and_after_each(config: Any) -> None:
    ids = torch.tensor([[5, 6, 2]])
    output = Encoder(config).eval()(ids, output_hidden_states=True, output_attentions=True)
    assert len(output.hidden_states) == config.encoder_layers + 1
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)
    assert output.attentions[0].shape == (1, config.encoder_attention_heads, 3, 3)
    torch.testing.assert_close(output.attentions[0].sum(-1), torch.ones(1, config.encoder_attention_heads, 3))


def test_given_embeddings_are_taken_as_already_scaled(config: Any) -> None:
    config.scale_embedding = True
    encoder, ids = Encoder(config).eval(), torch.tensor([[5, 6, 2]])
    vectors = encoder.embed_tokens(ids)
    torch.testing.assert_close(vectors, encoder.embed_tokens.weight[ids] * math.sqrt(config.d_model))
    assert torch.equal(encoder(inputs_embeds=vectors).last_hidden_state, encoder(ids).last_hidden_state)


def test_ids_and_embeddings_exclude_each_other(config: Any) -> None:
    encoder = Encoder(config)
    with pytest.raises(ShapeError, match="Exactly one"):
        encoder()
    with pytest.raises(ShapeError, match="Exactly one"):
        encoder(torch.tensor([[5]]), inputs_embeds=torch.zeros(1, 1, config.d_model))


def test_an_id_outside_the_table_is_refused_by_name(config: Any) -> None:
    with pytest.raises(VocabularyError, match=f"between 0 and {VOCABULARY - 1}.*between 3 and {VOCABULARY}"):
        Encoder(config)(torch.tensor([[3, VOCABULARY]]))


def test_the_table_of_positions_ends_with_a_named_error_also_when_a_cache_fills_it(config: Any) -> None:
    decoder = Decoder(config).eval()
    with pytest.raises(LengthError, match=f"{POSITIONS + 1} tokens, but this model has {POSITIONS} positions"):
        decoder(torch.full((1, POSITIONS + 1), 5))
    full = decoder(torch.full((1, POSITIONS), 5), use_cache=True)
    with pytest.raises(LengthError, match=f"{POSITIONS + 1} tokens"):
        decoder(torch.tensor([[5]]), past_key_values=full.past_key_values)


def test_keys_of_the_source_are_computed_once(config: Any) -> None:
    decoder = Decoder(config).eval()
    source = torch.randn(2, 4, config.d_model)
    first = decoder(torch.tensor([[2], [2]]), encoder_hidden_states=source, use_cache=True)
    calls = []
    hooks = [layer.encoder_attn.k_proj.register_forward_hook(lambda *_: calls.append(1)) for layer in decoder.layers]
    kept = first.past_key_values.cross_attention_cache.layers[0].keys
    decoder(torch.tensor([[5], [6]]), encoder_hidden_states=source, past_key_values=first.past_key_values)
    assert calls == []
    assert first.past_key_values.cross_attention_cache.layers[0].keys is kept
    assert first.past_key_values.get_seq_length() == 2
    for hook in hooks:
        hook.remove()


def test_half_precision_is_clamped_where_it_would_overflow() -> None:
    config = random_config(seeded("half"), "bart")
    encoder = Encoder(config).half().eval()
    with torch.no_grad():
        encoder.layers[-1].final_layer_norm.weight.fill_(6e4)
    states = encoder(torch.tensor([[5, 6, 2]])).last_hidden_state
    assert torch.isfinite(states).all()
    assert float(states.detach().abs().max()) == 64512  # 65,504 - 1,000, rounded to a half


def test_dropout_acts_in_training_only(config: Any) -> None:
    config.dropout = 0.5
    encoder, ids = Encoder(config), torch.tensor([[5, 6, 7, 2]])
    assert not torch.equal(encoder.train()(ids).last_hidden_state, encoder(ids).last_hidden_state)
    assert torch.equal(encoder.eval()(ids).last_hidden_state, encoder(ids).last_hidden_state)


def test_layerdrop_leaves_layers_out_in_training_only(config: Any) -> None:
    config.dropout, config.encoder_layerdrop, config.encoder_layers = 0.0, 1.0, 2
    encoder, ids = Encoder(config), torch.tensor([[5, 6, 2]])
    embedded = encoder.layer_norm(encoder.embed(ids, None, start=0))
    torch.testing.assert_close(encoder.train()(ids).last_hidden_state, embedded)
    assert not torch.allclose(encoder.eval()(ids).last_hidden_state, embedded)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (2,), (1, 2, 1)])
def test_a_mask_of_heads_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    config = small_bart()
    source = torch.zeros(1, 3, config.d_model)
    for name, stack in (("head_mask", Encoder(config)), ("head_mask", Decoder(config))):
        with pytest.raises(ShapeError, match=rf"`{name}` must be a tensor of shape \(layers, heads\), \(1, 2\)"):
            stack(torch.tensor([[5]]), head_mask=torch.ones(shape))
    with pytest.raises(ShapeError, match="`cross_attn_head_mask` must be"):
        Decoder(config)(torch.tensor([[5]]), encoder_hidden_states=source, cross_attn_head_mask=torch.ones(shape))


def test_ids_without_a_batch_axis_are_refused(config: Any) -> None:
    with pytest.raises(ShapeError, match=r"ids of shape \(batch, length\), but was given \(3,\)"):
        Encoder(config)(torch.tensor([5, 6, 2]))
    with pytest.raises(ShapeError, match=r"vectors of shape \(batch, length, d\)"):
        Encoder(config)(inputs_embeds=torch.zeros(3, config.d_model))


def test_places_beyond_the_table_are_refused_also_when_they_lie_on_the_device(config: Any) -> None:
    with pytest.raises(LengthError, match=f"{POSITIONS + 1} tokens, but this model has {POSITIONS} positions"):
        Decoder(config)(torch.tensor([[5]]), cache_position=torch.tensor([POSITIONS]))


def test_a_replaced_part_of_published_shape_is_used(config: Any) -> None:
    encoder, ids = Encoder(config).eval(), torch.tensor([[5, 6, 2]])
    calls = []

    class Positions(torch.nn.Module):
        def forward(self, input_ids: Any, past_key_values_length: int = 0, position_ids: Any = None) -> Any:
            calls.append(tuple(input_ids.shape[:2]))
            return torch.zeros(*input_ids.shape[:2], config.d_model)

    encoder.embed_positions = Positions()
    assert torch.isfinite(encoder(ids).last_hidden_state).all()
    assert calls == [(1, 3)]


def test_a_head_that_is_masked_out_no_longer_matters() -> None:
    config = random_config(seeded("heads"), "bart")
    config.encoder_layers, config.encoder_attention_heads = 1, 2
    encoder, ids = Encoder(config).eval(), torch.tensor([[5, 6, 2]])
    masked = encoder(ids, head_mask=torch.tensor([[0.0, 1.0]])).last_hidden_state
    with torch.no_grad():
        encoder.layers[0].self_attn.v_proj.weight[: config.d_model // 2].normal_()
    torch.testing.assert_close(encoder(ids, head_mask=torch.tensor([[0.0, 1.0]])).last_hidden_state, masked)
    assert not torch.allclose(encoder(ids).last_hidden_state, masked)
