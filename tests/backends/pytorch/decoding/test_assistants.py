from typing import Any

import pytest

from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from tests.parity.random_models import VOCABULARY

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.auto import AutoModelForCausalLM, AutoModelForSeq2SeqLM  # noqa: E402
from bartleby.backends.pytorch.backend import PyTorchBackend  # noqa: E402
from bartleby.backends.pytorch.decoding.assistants import check_assistant, sources_of  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.inputs import Inputs, prepare  # noqa: E402
from tests.backends.pytorch.test_generation import SOURCES, batch, model_of, types  # noqa: E402

TOKENS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}


def calls_of(module: Any) -> list[Any]:
    calls: list[Any] = []
    module.register_forward_hook(lambda *seen: calls.append(seen))
    return calls


@types
@pytest.mark.parametrize("cached", [True, False])
def test_every_kind_of_help_writes_what_greedy_search_writes(model_type: str, cached: bool) -> None:
    model = model_of(model_type)
    decoder = AutoModelForCausalLM.from_config(model.config).double().eval()
    decoder.load_state_dict({name: model.state_dict()[name] for name in decoder.state_dict()})
    expected = model.generate(**batch(model))
    for assistant in (model_of(model_type, seed=1), model, decoder):
        assert torch.equal(model.generate(**batch(model), assistant_model=assistant, use_cache=cached), expected)
    assert torch.equal(model.generate(**batch(model), prompt_lookup_num_tokens=3, use_cache=cached), expected)


@types
def test_a_decoder_alone_is_helped_by_another(model_type: str) -> None:
    model, helper = model_of(model_type, "causal_lm"), model_of(model_type, "causal_lm", seed=1)
    inputs = batch(model, left=True)
    expected = model.generate(**inputs, max_new_tokens=6)
    assert torch.equal(model.generate(**inputs, max_new_tokens=6, assistant_model=helper), expected)
    assert torch.equal(model.generate(**inputs, max_new_tokens=6, prompt_lookup_num_tokens=3), expected)


def test_an_assistant_may_be_of_another_precision() -> None:
    model = model_of("bart")
    decoder = AutoModelForCausalLM.from_config(model.config).eval()
    decoder.load_state_dict({name: model.state_dict()[name] for name in decoder.state_dict()})
    expected = model.generate(**batch(model))
    for assistant in (decoder, decoder.bfloat16(), model_of("bart").float()):
        assert torch.equal(model.generate(**batch(model), assistant_model=assistant), expected)


def test_a_good_assistant_saves_passes_and_encodes_once() -> None:
    model = model_of("bart")
    passes, encoded = calls_of(model.get_decoder()), calls_of(model.get_encoder())
    written = model.generate(**batch(model), max_length=20, min_length=20)
    assert len(passes) == 19
    passes.clear()
    encoded.clear()
    twin = model_of("bart")
    own = calls_of(twin.get_encoder())
    alone = [
        model.generate(torch.tensor([source]), assistant_model=twin, max_length=20, min_length=20) for source in SOURCES
    ]
    assert torch.equal(torch.cat(alone), written)
    assert len(passes) < 3 * 8
    assert (len(encoded), len(own)) == (3, 3)
    encoded.clear()
    model.generate(**batch(model), assistant_model=model)  # shares the encoder with itself
    assert len(encoded) == 1


def test_a_decoder_with_fewer_positions_helps_as_far_as_they_reach() -> None:
    model = model_of("bart")
    config = type(model.config)(**{**model.config.to_dict(), "max_position_embeddings": 7})
    helper = AutoModelForSeq2SeqLM.from_config(config).double().eval()
    expected = model.generate(**batch(model), max_length=15, min_length=15)
    assert torch.equal(model.generate(**batch(model), max_length=15, min_length=15, assistant_model=helper), expected)


def test_who_cannot_help_is_refused_with_all_reasons() -> None:
    model = model_of("bart")
    other = AutoModelForCausalLM.from_config(
        type(model.config)(vocab_size=VOCABULARY + 1, d_model=48, decoder_layers=1)
    )
    ids = torch.tensor([SOURCES[0]])
    with pytest.raises(OptionError) as raised:
        model.generate(ids, assistant_model=other, num_beams=2)
    for reason in (
        r"`assistant_model` works with greedy search and sampling, but the options ask for beam_search",
        rf"must have the {VOCABULARY} tokens of the model, but has {VOCABULARY + 1}",
        rf"`d_model` must be {model.config.d_model}, but is 48",
    ):
        assert reason.replace("\\", "") in str(raised.value)
    with pytest.raises(OptionError, match="both write ahead"):
        model.generate(ids, assistant_model=model, prompt_lookup_num_tokens=2)
    with pytest.raises(OptionError, match="ask for contrastive_search"):
        model.generate(ids, assistant_model=model, penalty_alpha=0.5)
    with pytest.raises(OptionError, match="must be a decoder alone"):
        model_of("bart", "causal_lm").generate(ids, assistant_model=model)
    states = model.get_encoder()(ids)
    with pytest.raises(OptionError, match="Pass `input_ids` as well"):
        model.generate(encoder_outputs=states, assistant_model=model_of("bart", seed=1))
    assert check_assistant(model, None, GenerationConfig(num_beams=2)) is None


def test_a_model_of_another_library_is_refused() -> None:
    transformers = pytest.importorskip("transformers", reason="needs the reference library")
    model = model_of("bart")
    other = transformers.BartForCausalLM(transformers.BartConfig(**model.config.to_diff_dict()))
    for assistant, said in (
        (other, "a BartForCausalLM of transformers"),
        (model.get_decoder(), "a BartDecoder of bartleby"),
        (torch.nn.Linear(2, 2), "a Linear of torch"),
    ):
        with pytest.raises(OptionError, match=f"must be a model that writes, but is {said}.* Load one by bartleby's"):
            model.generate(torch.tensor([SOURCES[0]]), assistant_model=assistant)


def test_sources_are_looked_through_without_their_padding() -> None:
    model = model_of("bart")
    options = model.generation_config
    prepared = prepare(model, Inputs(**batch(model)), options)
    assert [text.tolist() for text in sources_of(prepared) or ()] == SOURCES
    states = model.get_encoder()(**batch(model))
    assert sources_of(prepare(model, Inputs(encoder_outputs=states), options)) is None
    decoder = model_of("bart", "causal_lm")
    assert sources_of(prepare(decoder, Inputs(**batch(decoder, left=True)), options)) is None


def test_the_backend_looks_up_too_and_refuses_what_cannot_be_together() -> None:
    backend = PyTorchBackend(model_of("bart"))
    options = backend.generation_config
    plain = backend.generate(SOURCES, options)
    options.prompt_lookup_num_tokens = 3
    assert [one.ids for (one,) in backend.generate(SOURCES, options)] == [one.ids for (one,) in plain]
    options.do_sample = True
    assert backend.generate(SOURCES, options, seed=5) == backend.generate(SOURCES, options, seed=5)
    looking = GenerationConfig(**TOKENS, penalty_alpha=0.6, top_k=4, cache_implementation="static")
    with pytest.raises(OptionError, match="looks ahead"):
        backend.generate(SOURCES, looking)
