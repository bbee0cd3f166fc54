from typing import Any

import pytest

from bartleby.errors import ArgumentError, ConfigError, OptionError
from bartleby.family.parameters import parameter_table
from tests.parity.random_models import MODEL_TYPES, random_config, seeded, small_bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.model import refuse_unknown  # noqa: E402

PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
IDS = torch.tensor([[0, 5, 6, 7, 2], [0, 8, 9, 2, 1]])


def writer(**fields: Any) -> Any:
    torch.manual_seed(0)
    sizes = {"encoder_layers": 3, "encoder_attention_heads": 4, "decoder_layers": 3, "init_std": 0.3, "dropout": 0.0}
    return models.BartForConditionalGeneration(small_bart(**sizes | fields))


def test_the_base_model_is_what_heads_stand_on() -> None:
    model = writer()
    assert model.base_model is model.model
    assert model.model.base_model is model.model
    assert model.get_encoder().base_model is model.get_encoder()


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("suffix", ["Model", "ForConditionalGeneration"])
def test_dummy_inputs_are_enough_for_a_pass(model_type: str, suffix: str) -> None:
    model = getattr(models, PREFIXES[model_type] + suffix)(random_config(seeded("dummy"), model_type))
    inputs = model.dummy_inputs
    assert ("decoder_input_ids" in inputs) == (model_type != "bart")
    assert inputs["attention_mask"].sum() < inputs["input_ids"].numel() or model_type != "bart"
    assert torch.isfinite(model(**inputs)[0]).all()


def test_models_without_a_projection_say_so() -> None:
    model = models.BartModel(small_bart())
    assert model.get_output_embeddings() is None
    with pytest.raises(ConfigError, match="BartModel has no projection to tokens"):
        model.set_output_embeddings(torch.nn.Linear(16, 50))


def test_a_pruned_model_computes_what_a_masked_one_does() -> None:
    model = writer().eval()
    mask = torch.ones(3, 4)
    mask[0, 1] = mask[2, 0] = mask[2, 3] = 0
    expected = model(IDS, head_mask=mask).logits
    model.prune_heads({0: [1], 2: [3]})
    model.prune_heads({2: {0}})
    torch.testing.assert_close(model(IDS).logits, expected)
    torch.testing.assert_close(model(IDS, head_mask=mask).logits, expected)
    assert model.config.pruned_heads == {0: [1], 2: [0, 3]}
    attention = model.model.encoder.layers[2].self_attn
    assert (attention.num_heads, attention.q_proj.out_features, attention.out_proj.in_features) == (2, 8, 8)
    assert model(IDS, output_attentions=True).encoder_attentions[2].shape == (2, 2, 5, 5)


def test_a_pruned_model_is_the_one_its_config_declares() -> None:
    model = writer()
    model.prune_heads({1: [0, 2]})
    declared = {each.name: each.shape for each in parameter_table(model.config)}
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == declared
    again = models.BartForConditionalGeneration(model.config)
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.eval()(IDS).logits, model.eval()(IDS).logits)


@pytest.mark.parametrize("wanted", [{5: [0]}, {0: [4]}, {0: [0, 1, 2, 3]}])
def test_heads_that_are_not_there_and_all_heads_cannot_be_pruned(wanted: dict[int, list[int]]) -> None:
    with pytest.raises(ConfigError, match="Heads"):
        writer().prune_heads(wanted)


def test_a_decoder_alone_has_no_heads_to_prune() -> None:
    with pytest.raises(ConfigError, match="encoder layers"):
        models.BartForCausalLM(small_bart()).prune_heads({0: [0]})


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("reentrant", [True, False])
def test_layers_that_run_again_teach_the_same(every: int, reentrant: bool) -> None:
    model, calls = writer().train(), []
    model.model.decoder.layers[0].fc1.register_forward_hook(lambda *_: calls.append(1))
    before = gradients(model)
    model.activation_checkpointing_enable({"use_reentrant": reentrant}, every_n_layers=every)
    model.enable_input_require_grads()
    assert model.is_gradient_checkpointing
    assert model.is_activation_checkpointing
    after = gradients(model)
    assert len(calls) == 3  # once, then twice
    for name, gradient in before.items():
        torch.testing.assert_close(after[name], gradient, msg=name)
    model.gradient_checkpointing_disable()
    assert not model.is_gradient_checkpointing


def gradients(model: Any) -> dict[str, Any]:
    model.zero_grad()
    model(IDS, labels=IDS).loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_old_configs_say_that_layers_run_again() -> None:
    config = small_bart()
    config.gradient_checkpointing = True
    assert models.BartForConditionalGeneration(config).is_gradient_checkpointing
    assert models.BartEncoder(config).is_gradient_checkpointing
    assert not writer().is_gradient_checkpointing


def test_while_layers_run_again_no_cache_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    model = writer().train()
    past = model(IDS).past_key_values
    model.gradient_checkpointing_enable()
    assert model(IDS).past_key_values is None
    assert caplog.records == []
    assert model(IDS, use_cache=True).past_key_values is None
    assert "`use_cache` is off" in caplog.text
    with pytest.raises(OptionError, match="`past_key_values` must be None while layers run again"):
        model(IDS, past_key_values=past)
    assert model.eval()(IDS).past_key_values is not None


def test_a_model_in_training_writes_with_a_cache_also_where_its_layers_would_run_again() -> None:
    model = writer().train()
    expected = model.generate(IDS, max_new_tokens=4)
    model.gradient_checkpointing_enable()
    assert model.generate(IDS, max_new_tokens=4).tolist() == expected.tolist()
    with torch.no_grad():
        assert model(IDS).past_key_values is not None


def test_weights_are_recorded_also_when_layers_run_again() -> None:
    model = writer().train()
    expected = model(IDS, output_attentions=True, output_hidden_states=True)
    model.gradient_checkpointing_enable()
    output = model(IDS, output_attentions=True, output_hidden_states=True)
    for name in ("encoder_attentions", "cross_attentions", "decoder_hidden_states"):
        torch.testing.assert_close(output[name], expected[name])
    output.loss = output.logits.sum()
    output.loss.backward()
    assert len(output.decoder_attentions) == 3


@pytest.mark.parametrize("options", [{"offload": True}, {"every_n_layers": 0}])
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="must be"):
        writer().activation_checkpointing_enable(**options)


def test_gradients_can_begin_at_frozen_tables() -> None:
    model = writer().requires_grad_(False)
    assert not model(IDS).logits.requires_grad
    model.enable_input_require_grads()
    assert model(IDS).logits.requires_grad
    model.disable_input_require_grads()
    assert not model(IDS).logits.requires_grad


def test_an_argument_like_none_gets_no_suggestion() -> None:
    refuse_unknown(writer, {})
    with pytest.raises(ArgumentError) as caught:
        refuse_unknown(models.BartModel.forward, {"xyz": 1, "labelz": 2, "head_masks": 3})
    assert str(caught.value).splitlines() == [
        "forward has 3 faults:",
        "  - `xyz` is no argument of this model.",
        "  - `labelz` is no argument of this model.",
        "  - `head_masks` is no argument of this model. Did you mean `head_mask`?",
    ]
