from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding import fixed  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.company import Company  # noqa: E402
from bartleby.backends.pytorch.decoding.fixed import FixedWriter, compile_settings  # noqa: E402
from bartleby.backends.pytorch.decoding.inputs import Prepared  # noqa: E402
from bartleby.backends.pytorch.decoding.noise import SharedNoise  # noqa: E402
from bartleby.backends.pytorch.decoding.search import search  # noqa: E402
from bartleby.backends.pytorch.decoding.writer import ModelWriter  # noqa: E402
from bartleby.errors import OptionError  # noqa: E402
from bartleby.generation.compiling import CompileConfig  # noqa: E402
from bartleby.generation.config import GenerationConfig  # noqa: E402
from tests.backends.pytorch.decoding.test_recording import EVERYTHING  # noqa: E402
from tests.backends.pytorch.test_generation import batch, model_of, types, ways  # noqa: E402

STATIC: dict[str, Any] = {"cache_implementation": "static"}
COMPILED = STATIC | {"compile_config": {"backend": "eager", "fullgraph": True, "dynamic": False}}


@pytest.fixture(autouse=True)
def _nothing_compiled_before() -> None:
    torch._dynamo.reset()  # torch counts the programs of a function over all models


@types
@ways
@pytest.mark.parametrize("how", [STATIC, COMPILED], ids=["static", "compiled"])
def test_fixed_shapes_change_nothing(model_type: str, options: dict[str, Any], how: dict[str, Any]) -> None:
    """Twice, because the second call writes into the memory of the first."""
    model = model_of(model_type)
    for inputs in (batch(model), batch(model, [[9, 8, 7, 6, 5, 2], [5, 2], [20, 21, 22, 2]])):
        assert torch.equal(model.generate(**inputs, **options, **how), model.generate(**inputs, **options))


def test_what_inference_mode_took_is_not_written_to_outside() -> None:
    model = model_of("bart")
    expected = model.generate(**batch(model))
    for _ in range(2):
        with torch.inference_mode():
            assert torch.equal(model.generate(**batch(model), **STATIC), expected)
        assert torch.equal(model.generate(**batch(model), **STATIC), expected)


@types
def test_padded_prompts_and_a_decoder_alone_fit_too(model_type: str) -> None:
    model, alone = model_of(model_type), model_of(model_type, "causal_lm")
    start = model.config.decoder_start_token_id
    prompts = {
        "decoder_input_ids": torch.tensor([[30, start, 7], [start, 7, 8], [30, 30, start]]),
        "decoder_attention_mask": torch.tensor([[0, 1, 1], [1, 1, 1], [0, 0, 1]]),
    }
    for how in (STATIC, COMPILED):
        assert torch.equal(model.generate(**batch(model), **prompts, **how), model.generate(**batch(model), **prompts))
        inputs = batch(alone, left=True)
        assert torch.equal(alone.generate(**inputs, num_beams=2, **how), alone.generate(**inputs, num_beams=2))


def test_what_is_recorded_is_the_same_and_stays_the_callers() -> None:
    model = model_of("bart")
    expected = model.generate(**batch(model), **EVERYTHING, num_beams=2)
    found = model.generate(**batch(model), **EVERYTHING, num_beams=2, **STATIC)
    assert torch.equal(found.sequences, expected.sequences)
    assert all(torch.allclose(one, other) for one, other in zip(found.scores, expected.scores, strict=True))
    own = found.decoder_attentions[-1][0]
    held = expected.decoder_attentions[-1][0].shape[3]
    assert torch.allclose(own[..., :held], expected.decoder_attentions[-1][0])
    assert (own[..., held:] == 0).all()  # room that is not written yet
    kept = found.past_key_values.self_attention_cache.layers[0].keys.clone()
    model.generate(**batch(model), num_beams=2, **STATIC)
    assert torch.equal(found.past_key_values.self_attention_cache.layers[0].keys, kept)


RULES = {
    "sequence_bias": {(5, 6): 1.0}, "bad_words_ids": [[5], [6, 7]], "no_repeat_ngram_size": 2,
    "repetition_penalty": 1.2, "encoder_no_repeat_ngram_size": 2, "encoder_repetition_penalty": 1.1, "min_length": 4,
    "suppress_tokens": [9], "begin_suppress_tokens": [8], "forced_bos_token_id": 4, "forced_eos_token_id": 2,
    "renormalize_logits": True,
    "exponential_decay_length_penalty": (3, 1.1), "remove_invalid_values": True,
}  # fmt: skip
CUTS = {
    "do_sample": True, "temperature": 0.8, "top_k": 9, "top_p": 0.9, "min_p": 0.01, "typical_p": 0.9, "top_h": 0.9,
    "epsilon_cutoff": 1e-3, "eta_cutoff": 1e-3,
}  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        RULES,
        CUTS,
        RULES | {"num_beams": 3},
        CUTS | {"num_beams": 3, "early_stopping": True},
        {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
    ],
    ids=["greedy", "samples", "beams", "sampled-beams", "groups"],
)
@pytest.mark.parametrize("has_fixed_shapes", [True, False])
def test_from_the_first_step_to_the_last_nothing_leaves_the_device(
    options: dict[str, Any], has_fixed_shapes: bool
) -> None:
    """On a device whose tensors have no numbers: what looks at one, or mixes it with the CPU's, fails."""
    model = model_of("blenderbot").to("meta")
    config = GenerationConfig(**model.generation_config.to_dict() | options)
    ids = torch.full((3, 6), 5)
    sources = torch.ones_like(ids, device="meta")
    states = model.get_encoder()(sources, sources, return_dict=True).last_hidden_state
    prompts = torch.ones(3, 1, dtype=torch.long, device="meta")
    seen = Prepared(prompts, None, ids, None)  # rules take the sources' ids from the host, once
    prepared = replace(seen, sources=sources, source_mask=sources, states=states)
    noise = SharedNoise(len(ids)) if config.do_sample else None
    task = model._task(seen, config, noise, Company(), None)
    task = replace(task, whole=True, pause=100)
    writer = FixedWriter(model, prepared, None, None) if has_fixed_shapes else ModelWriter(model, prepared)
    writer.take_memory(task.max_length - 1)
    written = search(task, writer)
    assert {column.device.type for column in written.columns()} == {"meta"}


def test_memory_is_lent_to_one_call_at_a_time() -> None:
    model = model_of("bart")
    model.generate(**batch(model), **STATIC)
    _, memory = fixed._memories[model]
    model.generate(**batch(model), **STATIC)
    assert fixed._memories[model][1] is memory
    model.generate(**batch(model), max_length=7, **STATIC)
    assert fixed._memories[model][1] is not memory


def test_memory_is_not_lent_to_a_call_with_other_rows() -> None:
    model = model_of("bart")
    for rows in ({"num_beams": 3}, {}, {"num_beams": 2, "num_return_sequences": 2}):
        assert torch.equal(model.generate(**batch(model), **rows, **STATIC), model.generate(**batch(model), **rows))
    fewer = {name: tensor[:2] for name, tensor in batch(model).items()}
    assert torch.equal(model.generate(**fewer, **STATIC), model.generate(**fewer))


def test_what_is_compiled_depends_on_the_device_and_the_caller() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert compile_settings(GenerationConfig(), cpu) is None
    assert compile_settings(GenerationConfig(), gpu) == fixed.MODE
    assert compile_settings(GenerationConfig(disable_compile=True), gpu) is None
    assert compile_settings(GenerationConfig(compile_config={"backend": "eager"}), cpu) == {"backend": "eager"}


def test_a_published_object_says_how_to_compile_as_well() -> None:
    model = model_of("bart")
    how = CompileConfig(backend="eager", mode=None, options={})
    assert compile_settings(GenerationConfig(compile_config=how), torch.device("cpu")) == how.to_dict()
    found = model.generate(**batch(model), **STATIC, compile_config=how)
    assert torch.equal(found, model.generate(**batch(model)))


def test_what_cannot_have_fixed_shapes_is_refused() -> None:
    model = model_of("bart")
    with pytest.raises(OptionError, match="its steps vary"):
        model.generate(**batch(model), **STATIC, penalty_alpha=0.5, top_k=3)
    with pytest.raises(OptionError, match='must be "dynamic" or "static", but is "quantized"'):
        model.generate(**batch(model), cache_implementation="quantized")
    first = model.generate(**batch(model), return_dict_in_generate=True, max_length=4)
    with pytest.raises(OptionError, match="goes on from `past_key_values`"):
        model.generate(
            **batch(model), decoder_input_ids=first.sequences, past_key_values=first.past_key_values, **STATIC
        )
