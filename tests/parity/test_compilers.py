"""What torch makes of the models: compiled, exported and traced they compute the same."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from tests.parity.random_models import MODEL_TYPES, random_config, seeded, small_bart

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.cache import DynamicCache, EncoderDecoderCache, StaticCache  # noqa: E402
from bartleby.backends.pytorch.outputs import Seq2SeqModelOutput  # noqa: E402

PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
IDS = torch.tensor([[0, 5, 6, 7, 2], [0, 8, 9, 2, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
TARGET = torch.tensor([[2, 0, 5], [2, 0, 8]])
# What torch says of itself: that tracing is an old way, and that it turns shapes into constants.
tracing = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")


def bare(model_type: str = "bart", **fields: Any) -> Any:
    torch.manual_seed(0)
    config = random_config(seeded("compilers"), model_type)
    return getattr(models, f"{PREFIXES[model_type]}Model")(type(config).from_dict(config.to_dict(), **fields)).eval()


class Counting:
    """A backend that runs what it is given and counts how often it is asked to compile."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, module: Any, inputs: Any) -> Any:
        self.graphs += 1
        return module.forward


@pytest.fixture
def backend() -> Any:
    torch._dynamo.reset()
    yield Counting()
    torch._dynamo.reset()


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_pass_compiles_to_one_graph(model_type: str, backend: Counting) -> None:
    model = bare(model_type)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    with torch.inference_mode():
        output = compiled(IDS, MASK, TARGET, use_cache=False)
        torch.testing.assert_close(output.last_hidden_state, model(IDS, MASK, TARGET).last_hidden_state)
    assert isinstance(output, Seq2SeqModelOutput)
    assert backend.graphs == 1


def test_a_cache_may_come_out_of_a_compiled_pass(backend: Counting) -> None:
    model = bare()
    with torch.inference_mode():
        output = torch.compile(model, backend=backend, fullgraph=True)(IDS, MASK, TARGET)
        torch.testing.assert_close(output.past_key_values[0][0], model(IDS, MASK, TARGET).past_key_values[0][0])


def test_decoding_with_a_memory_of_fixed_shape_compiles_once(backend: Counting) -> None:
    model = bare()
    decoder = model.get_decoder()
    target = torch.randint(4, 50, (2, 6), generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(decoder, backend=backend, fullgraph=True)
    with torch.inference_mode():
        states = model.get_encoder()(IDS, MASK).last_hidden_state
        whole = decoder(target, None, states, MASK, use_cache=False).last_hidden_state
        cache = EncoderDecoderCache(StaticCache(8), DynamicCache())
        inputs = {"encoder_hidden_states": states, "encoder_attention_mask": MASK, "past_key_values": cache}
        steps = [decoder(target[:, :2], **inputs, cache_position=torch.arange(2)).last_hidden_state]
        for place in range(2, 6):
            position = torch.tensor([place])
            steps.append(compiled(target[:, place : place + 1], **inputs, cache_position=position).last_hidden_state)
    torch.testing.assert_close(torch.cat(steps, 1), whole)
    assert backend.graphs == 1
    assert cache.get_seq_length() == 6


def test_a_step_with_places_on_the_device_asks_the_host_for_nothing() -> None:
    """On the meta device there are no numbers: who asks for one gets an error."""
    model = bare().to("meta")
    decoder = model.get_decoder()
    cache = EncoderDecoderCache(StaticCache(8), DynamicCache())
    states = torch.zeros(2, 5, model.config.d_model, device="meta")
    mask = torch.ones(2, 5, dtype=torch.long, device="meta")
    for length in (3, 1):
        ids, places = (torch.zeros(shape, dtype=torch.long, device="meta") for shape in ((2, length), (length,)))
        output = decoder(ids, None, states, mask, past_key_values=cache, cache_position=places)
        assert output.last_hidden_state.shape == (2, length, model.config.d_model)


def test_lessons_compile() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = models.BartForConditionalGeneration(small_bart(dropout=0.0))
    expected = model(IDS, MASK, labels=IDS).loss
    loss = torch.compile(model, backend="aot_eager", fullgraph=True)(IDS, MASK, labels=IDS).loss
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert model.model.shared.weight.grad is not None
    torch._dynamo.reset()


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("strict", [True, False])
def test_a_pass_is_exported_for_any_lengths(model_type: str, strict: bool) -> None:
    model = bare(model_type)
    rows, source, target = (torch.export.Dim(name, min=2, max=16) for name in ("rows", "source", "target"))
    shapes = {"input_ids": {0: rows, 1: source}, "attention_mask": {0: rows, 1: source}}
    shapes |= {"decoder_input_ids": {0: rows, 1: target}, "use_cache": None}
    with torch.no_grad():
        program = torch.export.export(
            model, (IDS, MASK, TARGET), {"use_cache": False}, dynamic_shapes=shapes, strict=strict
        )
        ids = torch.randint(4, 50, (4, 9), generator=torch.Generator().manual_seed(0))
        exported = program.module()(ids, torch.ones_like(ids), ids[:, :5], use_cache=False)
        torch.testing.assert_close(exported[0], model(ids, torch.ones_like(ids), ids[:, :5])[0])
    assert isinstance(exported, Seq2SeqModelOutput)


def test_an_exported_pass_may_give_back_its_cache() -> None:
    model = bare()
    with torch.no_grad():
        program = torch.export.export(model, (IDS, MASK, TARGET), strict=False)
        past = program.module()(IDS, MASK, TARGET).past_key_values
    assert isinstance(past, EncoderDecoderCache)
    torch.testing.assert_close(past[0][0], model(IDS, MASK, TARGET).past_key_values[0][0])


@tracing
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_traced_pass_gives_tuples(model_type: str) -> None:
    model = bare(model_type, torchscript=True)
    with torch.no_grad():
        traced = torch.jit.trace(model, (IDS, MASK, TARGET))
        output, expected = traced(IDS.flip(0), MASK.flip(0), TARGET), model(IDS.flip(0), MASK.flip(0), TARGET)
    assert isinstance(output, tuple)
    torch.testing.assert_close(output[0], expected[0])
    assert len(output[1]) == model.config.decoder_layers
    assert len(output[1][0]) == 4


@tracing
@pytest.mark.parametrize(
    "model_class",
    [
        models.BartForConditionalGeneration,
        models.BartForCausalLM,
        models.BartForSequenceClassification,
        models.BartForQuestionAnswering,
        models.BartEncoder,
    ],
)
def test_every_head_can_be_traced_as_it_is(model_class: Any) -> None:
    model = model_class(small_bart()).eval()
    ids = torch.tensor([[0, 5, 6, 2], [0, 7, 8, 2]])
    with torch.no_grad():
        traced = torch.jit.trace(model, (ids,))
        torch.testing.assert_close(traced(ids.flip(0))[0], model(ids.flip(0), return_dict=False)[0])


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_models_can_be_copied_and_sent(model_type: str, again: Any) -> None:
    config = random_config(seeded("copies", model_type), model_type)
    config.activation_function = "quick_gelu"
    model = getattr(models, f"{PREFIXES[model_type]}ForConditionalGeneration")(config).eval()
    model.gradient_checkpointing_enable()
    other = again(model)
    torch.testing.assert_close(other(IDS, MASK, TARGET).logits, model(IDS, MASK, TARGET).logits)
    assert (other.lm_head.weight is other.model.shared.weight) == config.tie_word_embeddings


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_short_numbers_stay_finite_whatever_comes(model_type: str, dtype: Any) -> None:
    model = bare(model_type).to(dtype)
    largest = torch.finfo(torch.float16).max
    vectors = torch.randn(2, 5, model.config.d_model, generator=torch.Generator().manual_seed(0)) * largest
    vectors = vectors.clamp(-largest, largest).to(dtype)
    nothing_seen = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    for options in (
        {},
        {"output_attentions": True},
        {"head_mask": torch.ones(model.config.encoder_layers, heads_of(model))},
    ):
        with torch.inference_mode():
            output = model(None, nothing_seen, TARGET, inputs_embeds=vectors, **options)
        assert output.last_hidden_state.dtype == dtype
        assert torch.isfinite(output.last_hidden_state).all()
        assert torch.isfinite(output.encoder_last_hidden_state).all()


def heads_of(model: Any) -> int:
    return int(model.config.encoder_attention_heads)
