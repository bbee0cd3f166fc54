from typing import Any

import pytest

from tests.parity.random_models import small_bart as bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.cache import DynamicCache, EncoderDecoderCache, StaticCache  # noqa: E402

IDS = torch.tensor([[2, 5, 6, 7], [2, 8, 9, 4]])


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return models.BartForCausalLM(bart(init_std=0.3, decoder_layers=2)).eval()


def test_the_given_configuration_is_left_alone() -> None:
    config = bart()
    model = models.BartForCausalLM(config)
    assert (config.is_decoder, config.is_encoder_decoder) == (False, True)
    assert (model.config.is_decoder, model.config.is_encoder_decoder) == (True, False)


def test_it_has_the_published_parts(model: Any) -> None:
    assert type(model.model) is models.BartDecoderWrapper
    assert type(model.get_decoder()) is models.BartDecoder
    assert model.base_model is model.model
    assert model.lm_head.weight is model.get_input_embeddings().weight is model.model.decoder.embed_tokens.weight
    assert torch.equal(model.model(IDS)[0], model.get_decoder()(IDS).last_hidden_state)


@pytest.mark.parametrize("crosses", [True, False])
def test_whether_it_shall_look_at_a_source_is_up_to_the_call(crosses: bool) -> None:
    model = models.BartForCausalLM(bart(add_cross_attention=crosses)).eval()
    assert model(IDS).cross_attentions is None
    source = torch.randn(2, 3, 16)
    output = model(IDS, encoder_hidden_states=source, output_attentions=True)
    assert [weights.shape for weights in output.cross_attentions] == [(2, 2, 4, 3)]


def test_its_cache_holds_two_tensors_a_layer_and_four_with_a_source(model: Any) -> None:
    alone = model(IDS).past_key_values
    assert isinstance(alone, DynamicCache)
    assert [len(layer) for layer in alone] == [2, 2]
    source = model(IDS, encoder_hidden_states=torch.randn(2, 3, 16)).past_key_values
    assert isinstance(source, EncoderDecoderCache)
    assert [len(layer) for layer in source] == [4, 4]


@pytest.mark.parametrize("with_source", [True, False])
def test_tuples_come_back_for_tuples(model: Any, with_source: bool) -> None:
    inputs = {"encoder_hidden_states": torch.randn(2, 3, 16)} if with_source else {}
    whole = model(IDS, **inputs).logits
    past = model(IDS[:, :3], **inputs).past_key_values.to_legacy_cache()
    step = model(IDS[:, 3:], **inputs, past_key_values=past)
    torch.testing.assert_close(step.logits, whole[:, 3:])
    assert isinstance(step.past_key_values, tuple)
    assert [len(layer) for layer in step.past_key_values] == [4 if with_source else 2] * 2
    moved = model._reorder_cache(step.past_key_values, torch.tensor([1, 0]))
    assert torch.equal(moved[0][-1], step.past_key_values[0][-1][[1, 0]])


def test_positions_can_be_counted_otherwise(model: Any) -> None:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    counted = (mask.cumsum(1) - 1).clamp(min=0)
    padded = model(IDS, attention_mask=mask, position_ids=counted).logits
    torch.testing.assert_close(padded[:1, 2:], model(IDS[:1, 2:]).logits)
    assert not torch.allclose(model(IDS, attention_mask=mask).logits[:1, 2:], padded[:1, 2:])


def test_places_on_the_device_do_what_counting_on_the_host_does(model: Any) -> None:
    whole = model(IDS).logits
    cache = StaticCache(model.config, 6)
    steps = [
        model(IDS[:, start:end], past_key_values=cache, cache_position=torch.arange(start, end)).logits
        for start, end in ((0, 2), (2, 3), (3, 4))
    ]
    torch.testing.assert_close(torch.cat(steps, 1), whole)
    assert cache.get_seq_length() == 4


def test_the_next_pass_is_prepared(model: Any) -> None:
    past = model(IDS[:, :3]).past_key_values
    inputs = model.prepare_inputs_for_generation(IDS, past, use_cache=True)
    assert inputs["input_ids"].tolist() == IDS[:, 3:].tolist()
    assert inputs["attention_mask"].shape == IDS.shape
    torch.testing.assert_close(model(**inputs).logits, model(IDS).logits[:, 3:])
    vectors = model.get_input_embeddings()(IDS)
    first = model.prepare_inputs_for_generation(IDS, inputs_embeds=vectors, is_first_iteration=True)
    torch.testing.assert_close(model(**first).logits, model(IDS).logits)


def test_tables_and_projections_can_be_replaced(model: Any) -> None:
    table = torch.nn.Embedding(50, 16)
    model.set_input_embeddings(table)
    assert model.get_input_embeddings() is table
    assert model.lm_head.weight is table.weight
    projection = torch.nn.Linear(16, 50, bias=False)
    model.set_output_embeddings(projection)
    assert model.get_output_embeddings() is projection
    other = models.BartForCausalLM(bart())
    model.set_decoder(other.get_decoder())
    assert model.model.decoder is other.get_decoder()


def test_only_the_last_tokens_may_be_scored(model: Any) -> None:
    torch.testing.assert_close(model(IDS, logits_to_keep=2).logits, model(IDS).logits[:, -2:])
