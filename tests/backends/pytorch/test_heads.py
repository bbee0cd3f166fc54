from typing import Any

import pytest

from bartleby.errors import ConfigError, ShapeError
from bartleby.family.config import BartConfig, BlenderbotConfig
from bartleby.family.parameters import parameter_table
from tests.parity.random_models import MODEL_TYPES, random_config, seeded

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import heads, models  # noqa: E402  after the skip

ALL = [
    model
    for model in vars(models).values()
    if isinstance(model, type) and issubclass(model, heads.PreTrainedModel) and hasattr(model, "config_class")
]


def bart(**fields: Any) -> BartConfig:
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    widths = {"vocab_size": 50, "d_model": 16, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    return BartConfig(**{**sizes, **widths, "max_position_embeddings": 24, **fields})


@pytest.mark.parametrize("model_class", ALL, ids=lambda model: model.__name__)
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_has_exactly_the_declared_parameters_and_ties(model_class: Any, tied: bool) -> None:
    config = random_config(seeded(model_class.__name__), model_class.config_class.model_type)
    config.tie_word_embeddings = tied
    model = model_class(config)
    prefix = "model." if model_class.head == "none" else ""
    built = {prefix + name: tensor for name, tensor in model.state_dict(keep_vars=True).items()}
    table = {parameter.name: parameter for parameter in parameter_table(config, model_class.head)}
    assert {name: tuple(tensor.shape) for name, tensor in built.items()} == {n: p.shape for n, p in table.items()}
    for name, parameter in table.items():
        if parameter.tied_to is not None:
            assert built[name] is built[parameter.tied_to]
    assert len({id(tensor) for tensor in built.values()}) == sum(p.tied_to is None for p in table.values())


@pytest.mark.parametrize("model_class", ALL, ids=lambda model: model.__name__)
def test_a_model_refuses_the_configuration_of_another(model_class: Any) -> None:
    wrong = BlenderbotConfig if model_class.config_class is BartConfig else BartConfig
    with pytest.raises(ConfigError, match=f"needs a {model_class.config_class.__name__}.*given a {wrong.__name__}"):
        model_class(wrong())


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


@pytest.mark.parametrize(
    ("labels", "num_labels", "problem"),
    [
        (torch.tensor([0.5, 1.5]), 1, "regression"),
        (torch.tensor([0, 2]), 3, "single_label_classification"),
        (torch.tensor([[1.0, 0, 1], [0, 0, 1]]), 3, "multi_label_classification"),
    ],
)
def test_labels_settle_the_kind_of_classification(labels: Any, num_labels: int, problem: str) -> None:
    model = models.BartForSequenceClassification(bart(num_labels=num_labels)).eval()
    ids = torch.tensor([[0, 5, 2], [0, 6, 2]])
    output = model(ids, labels=labels)
    assert model.config.problem_type == problem
    assert output.logits.shape == (2, num_labels)
    expected = {
        "regression": lambda: ((output.logits[:, 0] - labels) ** 2).mean(),
        "single_label_classification": lambda: -output.logits.log_softmax(-1)[[0, 1], labels].mean(),
        "multi_label_classification": lambda: (
            -torch.where(labels > 0, output.logits.sigmoid().log(), (-output.logits).sigmoid().log()).mean()
        ),
    }[problem]()
    torch.testing.assert_close(output.loss, expected)


def test_classification_needs_rows_that_agree_on_their_eos() -> None:
    model = models.BartForSequenceClassification(bart()).eval()
    with pytest.raises(ShapeError, match=r"the rows hold \[1, 0\]"):
        model(torch.tensor([[0, 5, 2], [0, 6, 7]]))
    with pytest.raises(ShapeError, match="needs `input_ids`"):
        model(inputs_embeds=torch.zeros(1, 3, 16))


def test_an_answer_that_was_cut_off_does_not_count() -> None:
    model = models.BartForQuestionAnswering(bart()).eval()
    ids = torch.tensor([[0, 5, 2], [0, 6, 2]])
    some = model(ids, start_positions=torch.tensor([1, 99]), end_positions=torch.tensor([2, 99])).loss
    alone = model(ids[:1], start_positions=torch.tensor([1]), end_positions=torch.tensor([2])).loss
    torch.testing.assert_close(some, alone)
    assert model.config.num_labels == 2


def test_a_causal_lm_leaves_the_given_configuration_alone() -> None:
    config = bart()
    model = models.BartForCausalLM(config)
    assert (config.is_decoder, config.is_encoder_decoder) == (False, True)
    assert (model.config.is_decoder, model.config.is_encoder_decoder) == (True, False)
