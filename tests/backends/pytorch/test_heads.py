from collections import OrderedDict
from typing import Any

import pytest

from bartleby.errors import ArgumentError, ShapeError
from tests.parity.random_models import MODEL_TYPES, random_config, seeded
from tests.parity.random_models import small_bart as bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.cache import DynamicCache, EncoderDecoderCache  # noqa: E402

IDS = torch.tensor([[0, 5, 6, 7, 2], [0, 8, 9, 2, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
TARGET = torch.tensor([[2, 0, 5], [2, 0, 8]])


def writer(**fields: Any) -> Any:
    torch.manual_seed(0)
    return models.BartForConditionalGeneration(bart(init_std=0.3, decoder_layers=2, **fields)).eval()


def test_fresh_weights_are_drawn_as_the_configuration_says() -> None:
    model = models.BartForConditionalGeneration(bart(init_std=0.5, d_model=64))
    assert float(model.model.encoder.layers[0].fc1.weight.detach().std()) == pytest.approx(0.5, rel=0.2)
    assert not model.model.encoder.layers[0].fc1.bias.any()
    assert not model.model.shared.weight[1].any()  # the pad row
    assert (model.model.encoder.layers[0].self_attn_layer_norm.weight == 1).all()


def test_labels_teach_the_next_token_and_ignored_ones_do_not_count() -> None:
    model = models.BartForConditionalGeneration(bart()).eval()
    ids, labels = torch.tensor([[0, 5, 6, 2]]), torch.tensor([[7, 8, 2, -100]])
    output = model(ids, labels=labels)
    logits = model(ids, decoder_input_ids=torch.tensor([[2, 7, 8, 2]])).logits
    log_probabilities = logits.log_softmax(-1)[0, torch.arange(3), labels[0, :3]]
    torch.testing.assert_close(output.loss, -log_probabilities.mean())
    assert output.past_key_values is None


def test_only_bart_makes_its_target_from_the_source() -> None:
    ids = torch.tensor([[0, 5, 6, 2]])
    model = models.BartModel(bart()).eval()
    shifted = model(ids, decoder_input_ids=torch.tensor([[2, 0, 5, 6]])).last_hidden_state
    assert torch.equal(model(ids).last_hidden_state, shifted)
    for model_type in MODEL_TYPES[1:]:
        other = random_config(seeded("target"), model_type)
        prefix = {"blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}[model_type]
        with pytest.raises(ShapeError, match="needs `decoder_input_ids`"):
            getattr(models, f"{prefix}Model")(other)(ids)


def test_encoder_outputs_may_be_a_tuple_or_an_output() -> None:
    model = models.BartModel(bart()).eval()
    ids, target = torch.tensor([[0, 5, 6, 2]]), torch.tensor([[2, 7]])
    encoded = model.get_encoder()(ids)
    whole = model(ids, decoder_input_ids=target).last_hidden_state
    assert torch.equal(model(decoder_input_ids=target, encoder_outputs=encoded).last_hidden_state, whole)
    assert torch.equal(model(decoder_input_ids=target, encoder_outputs=tuple(encoded.values()))[0], whole)


def test_outputs_are_tuples_on_request() -> None:
    model, ids = models.BartForConditionalGeneration(bart()).eval(), torch.tensor([[0, 5, 2]])
    as_tuple = model(ids, labels=ids, return_dict=False)
    named = model(ids, labels=ids)
    assert isinstance(as_tuple, tuple)
    assert torch.equal(as_tuple[0], named.loss)
    assert torch.equal(as_tuple[1], named["logits"])


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_vectors_of_the_source_are_also_those_of_the_target_when_nothing_else_is_given(model_type: str) -> None:
    prefix = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}[model_type]
    model = getattr(models, f"{prefix}Model")(random_config(seeded("embeds"), model_type)).eval()
    vectors = model.get_input_embeddings()(IDS)
    alone = model(inputs_embeds=vectors).last_hidden_state
    assert torch.equal(alone, model(inputs_embeds=vectors, decoder_inputs_embeds=vectors).last_hidden_state)
    assert not torch.allclose(alone, model(inputs_embeds=vectors, decoder_input_ids=IDS.flip(1)).last_hidden_state)


@pytest.mark.parametrize(
    "given",
    [tuple, list, dict, OrderedDict, lambda pairs: [pairs[0][1]]],
    ids=["tuple", "list", "dict", "ordered", "states alone"],
)
def test_encoder_outputs_of_any_make_are_understood(given: Any) -> None:
    model = writer()
    encoded = model.get_encoder()(IDS, MASK, output_hidden_states=True)
    pairs = list(encoded.items())
    own = given([value for _, value in pairs]) if given in (tuple, list) else given(pairs)
    output = model(attention_mask=MASK, decoder_input_ids=TARGET, encoder_outputs=own)
    assert torch.equal(output.logits, model(IDS, MASK, TARGET).logits)
    assert output.encoder_last_hidden_state is encoded.last_hidden_state


def test_what_is_no_encoder_output_is_refused_by_name() -> None:
    with pytest.raises(ShapeError, match=r"`encoder_outputs` must be what an encoder gave.*but is Tensor"):
        writer()(attention_mask=MASK, decoder_input_ids=TARGET, encoder_outputs=torch.zeros(2, 5, 16))


def test_arguments_in_the_order_of_version_5_are_refused_with_the_reason() -> None:
    model = writer()
    with pytest.raises(ShapeError, match=r"`head_mask` must be a tensor of shape.*best passed by name"):
        model(IDS, MASK, TARGET, None, (torch.zeros(2, 5, 16),))


def test_an_unknown_argument_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        ArgumentError, match=r"`atention_mask` is no argument of this model. Did you mean `attention_mask`"
    ):
        writer()(IDS, atention_mask=MASK)
    with pytest.raises(TypeError, match="`token_type_ids` is no argument"):
        models.BartModel(bart())(IDS, token_type_ids=IDS)


def test_a_cache_is_given_back_in_the_kind_it_came_in() -> None:
    model = writer()
    whole = model(IDS, MASK, TARGET, use_cache=False).logits
    first = model(IDS, MASK, TARGET[:, :2])
    assert isinstance(first.past_key_values, EncoderDecoderCache)
    past = first.past_key_values.to_legacy_cache()
    assert [len(layer) for layer in past] == [4, 4]
    shape = {"decoder_input_ids": TARGET[:, 2:], "encoder_outputs": (first.encoder_last_hidden_state,)}
    as_tuple = model(attention_mask=MASK, past_key_values=past, **shape)
    torch.testing.assert_close(as_tuple.logits, whole[:, 2:])
    assert isinstance(as_tuple.past_key_values, tuple)
    assert as_tuple.past_key_values[1][0].shape == (2, 2, 3, 8)
    assert past[0][0].shape == (2, 2, 2, 8)  # what a caller holds stays as it is
    as_cache = model(attention_mask=MASK, past_key_values=first.past_key_values, **shape)
    torch.testing.assert_close(as_cache.logits, whole[:, 2:])
    assert as_cache.past_key_values is first.past_key_values


def test_a_cache_reads_like_the_tuples_of_version_4() -> None:
    past = writer()(IDS, MASK, TARGET).past_key_values
    assert len(past) == 2
    assert past[0][0].shape == (2, 2, 3, 8)
    assert [[tensor.shape[2] for tensor in layer] for layer in past] == [[3, 3, 5, 5]] * 2


def test_a_cache_of_another_source_is_refused() -> None:
    model = writer()
    past = model(IDS, MASK, TARGET).past_key_values
    with pytest.raises(ShapeError, match="filled from a source of 5 tokens, but this one has 4"):
        model(IDS[:, :4], decoder_input_ids=TARGET[:, :1], past_key_values=past)
    with pytest.raises(ShapeError, match="`past_key_values` must be a cache, or 2 or 4 tensors"):
        model(IDS, decoder_input_ids=TARGET, past_key_values="past")


def test_without_a_cache_none_is_given_back() -> None:
    model = writer(use_cache=False)
    assert "past_key_values" not in model(IDS)
    assert "past_key_values" in model(IDS, use_cache=True)


def test_asking_for_a_cache_beside_labels_is_told(caplog: pytest.LogCaptureFixture) -> None:
    model = writer()
    model(IDS, labels=IDS)
    assert caplog.records == []
    assert model(IDS, labels=IDS, use_cache=True).past_key_values is None
    assert "`use_cache` is off" in caplog.text


@pytest.mark.parametrize("keep", [1, 2, torch.tensor([0, 2])])
def test_only_the_tokens_asked_for_are_scored(keep: Any) -> None:
    model = writer()
    whole = model(IDS, MASK, TARGET).logits
    places = keep if isinstance(keep, torch.Tensor) else slice(-keep, None)
    torch.testing.assert_close(model(IDS, MASK, TARGET, logits_to_keep=keep).logits, whole[:, places])
    with pytest.raises(ShapeError, match="one label for each scored token"):
        model(IDS, MASK, TARGET, labels=TARGET, logits_to_keep=1)


def test_the_mean_of_a_loss_may_be_over_a_larger_batch() -> None:
    model = writer()
    labels = torch.tensor([[5, 6, -100], [7, -100, -100]])
    mean = model(IDS, MASK, labels=labels).loss
    torch.testing.assert_close(model(IDS, MASK, labels=labels, num_items_in_batch=6).loss, mean / 2)
    torch.testing.assert_close(model(IDS, MASK, labels=labels, num_items_in_batch=torch.tensor(3)).loss, mean)


def test_another_table_of_tokens_takes_all_places_of_the_old_one() -> None:
    for tied in (True, False):
        model = writer(tie_word_embeddings=tied)
        table = torch.nn.Embedding(50, 16)
        model.set_input_embeddings(table)
        assert model.get_input_embeddings() is table
        assert model.model.encoder.embed_tokens is model.model.decoder.embed_tokens is table
        assert (model.lm_head.weight is table.weight) == tied


def test_a_plain_table_is_scaled_as_the_one_it_replaces() -> None:
    model = writer(scale_embedding=True)
    before = model(IDS, MASK, TARGET).logits
    table = torch.nn.Embedding(50, 16, _weight=model.model.shared.weight.detach().clone())
    model.set_input_embeddings(table)
    torch.testing.assert_close(model(IDS, MASK, TARGET).logits, before)


def test_output_embeddings_and_stacks_can_be_replaced() -> None:
    model, other = writer(), writer()
    projection = torch.nn.Linear(16, 50, bias=False)
    model.set_output_embeddings(projection)
    assert model.get_output_embeddings() is projection
    model.set_encoder(other.get_encoder())
    model.set_decoder(other.get_decoder())
    assert model.model.encoder is other.model.encoder
    assert model.model.get_decoder() is other.model.get_decoder()


def test_published_names_of_ties_are_those_of_the_state_dict() -> None:
    model = writer()
    state = model.state_dict(keep_vars=True)
    assert set(model._tied_weights_keys) == {
        "model.encoder.embed_tokens.weight",
        "model.decoder.embed_tokens.weight",
        "lm_head.weight",
    }
    assert all(state[name] is state[source] for name, source in model._tied_weights_keys.items())
    bare = model.model.state_dict(keep_vars=True)
    assert all(bare[name] is bare[source] for name, source in model.model._tied_weights_keys.items())


def test_the_next_pass_is_prepared_in_the_way_of_either_release() -> None:
    model = writer()
    first = model(IDS, MASK, TARGET)
    version_4 = model.prepare_inputs_for_generation(
        torch.tensor([[2, 0, 5, 6], [2, 0, 8, 9]]),
        past_key_values=first.past_key_values,
        attention_mask=MASK,
        encoder_outputs=(first.encoder_last_hidden_state,),
        use_cache=True,
    )
    assert version_4["decoder_input_ids"].tolist() == [[6], [9]]
    assert version_4["input_ids"] is None
    assert model(**version_4).logits.shape == (2, 1, 50)
    version_5 = model.prepare_inputs_for_generation(
        input_ids=TARGET, next_sequence_length=2, is_first_iteration=True, attention_mask=MASK
    )
    assert version_5["decoder_input_ids"].tolist() == TARGET[:, -2:].tolist()
    legacy = first.past_key_values.to_legacy_cache()
    assert model.prepare_inputs_for_generation(TARGET, legacy)["decoder_input_ids"].shape == (2, 1)


def test_a_cache_is_reordered_in_the_way_of_version_4() -> None:
    model = writer()
    past = model(IDS, MASK, TARGET).past_key_values
    order = torch.tensor([1, 0])
    moved = model._reorder_cache(past.to_legacy_cache(), order)
    assert torch.equal(moved[0][0], past[0][0][order])
    assert moved[0][2] is past[0][2]
    assert model._reorder_cache(past, order) is past
    assert torch.equal(past[1][0], moved[1][0])


def test_what_other_libraries_cache_in_is_filled_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference library is not installed")
    model = writer()
    whole = model(IDS, MASK, TARGET, use_cache=False).logits
    theirs = transformers.BartConfig(d_model=16, decoder_layers=2, decoder_attention_heads=2)
    for make in (
        lambda: transformers.EncoderDecoderCache(transformers.DynamicCache(), transformers.DynamicCache()),
        lambda: transformers.EncoderDecoderCache(
            transformers.StaticCache(config=theirs, max_cache_len=7), transformers.DynamicCache()
        ),
        transformers.DynamicCache,
        DynamicCache,
    ):
        cache = make()
        first = model(IDS, MASK, TARGET[:, :2], past_key_values=cache)
        assert first.past_key_values is cache
        source = (first.encoder_last_hidden_state,)
        last = model(None, MASK, TARGET[:, 2:], encoder_outputs=source, past_key_values=cache)
        torch.testing.assert_close(torch.cat([first.logits, last.logits], 1), whole)
        assert int(cache.get_seq_length()) == 3
