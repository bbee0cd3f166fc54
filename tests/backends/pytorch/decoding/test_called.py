"""Models whose own `forward` has a say: `generate` calls it; that alone changes nothing."""

from typing import Any

import pytest

from bartleby.errors import OptionError
from bartleby.generation.config import GenerationConfig
from tests.parity.random_models import MODEL_TYPES, random_config, seeded

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.called import has_a_say, own_arguments  # noqa: E402  after the skip

IDS = torch.tensor([[5, 6, 7, 8, 2], [9, 10, 11, 2, 1], [12, 13, 14, 15, 2]])
PREFIXES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
FAVOURITE = 17
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "no cache": {"use_cache": False},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "beams without a cache": {"num_beams": 2, "use_cache": False},
    "groups": {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
}


def own(base: type, log: list[str]) -> type:
    class Own(base):  # type: ignore[misc]  # any model
        def forward(self, *args: Any, bonus: Any = None, **kwargs: Any) -> Any:
            log.append("forward")
            output = super().forward(*args, **kwargs)
            if bonus is not None:
                output["logits"] = output.logits + bonus[:, None]
            return output

        def prepare_inputs_for_generation(self, *args: Any, bonus: Any = None, **kwargs: Any) -> dict[str, Any]:
            log.append("prepare")
            return super().prepare_inputs_for_generation(*args, **kwargs) | {"bonus": bonus}

    return Own


def pair(model_type: str, head: str) -> tuple[Any, Any, list[str]]:
    """A published model, one of a caller's class with the same weights, and what is called of that."""
    log: list[str] = []
    config = random_config(seeded("called"), model_type)
    published = getattr(models, PREFIXES[model_type] + head)
    torch.manual_seed(0)
    model = published(config).double().eval()
    called = own(published, log)(config).double().eval()
    called.load_state_dict(model.state_dict())
    options = {name: getattr(config, name) for name in ("pad_token_id", "bos_token_id", "decoder_start_token_id")}
    for each in (model, called):
        each.generation_config = GenerationConfig(max_new_tokens=5, eos_token_id=2, **options)
    return model, called, log


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("head", ["ForConditionalGeneration", "ForCausalLM"])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_callers_methods_are_called_and_change_nothing_by_themselves(model_type: str, head: str, way: str) -> None:
    model, called, log = pair(model_type, head)
    ids = IDS if head == "ForConditionalGeneration" else IDS[:, :3]
    assert called.generate(ids, **WAYS[way]).tolist() == model.generate(ids, **WAYS[way]).tolist()
    assert log.count("forward") == log.count("prepare") > 1
    assert not has_a_say(model)


def test_all_that_can_be_returned_is_returned() -> None:
    model, called, _ = pair("bart", "ForConditionalGeneration")
    asked = dict.fromkeys(
        ("return_dict_in_generate", "output_scores", "output_attentions", "output_hidden_states"), True
    )
    expected, output = (each.generate(IDS, num_beams=2, **asked) for each in (model, called))
    assert list(output.keys()) == list(expected.keys())
    torch.testing.assert_close(output.scores, expected.scores)
    torch.testing.assert_close(output.cross_attentions, expected.cross_attentions)
    torch.testing.assert_close(output.decoder_hidden_states, expected.decoder_hidden_states)


def test_what_only_the_callers_forward_takes_reaches_it_row_by_row() -> None:
    _, called, _ = pair("bart", "ForConditionalGeneration")
    assert own_arguments(called, {"bonus", "num_beams", "unknown"}) == {"bonus"}
    bonus = torch.zeros(3, called.config.vocab_size, dtype=torch.float64)
    bonus[1, FAVOURITE] = 1000
    for options in ({}, {"num_beams": 2}):
        written = called.generate(IDS, bonus=bonus, **options)[:, 1:]
        assert (written == FAVOURITE).all(dim=1).tolist() == [False, True, False]


def test_hooks_and_patched_methods_are_heard() -> None:
    model, _, _ = pair("bart", "ForConditionalGeneration")
    expected = model.generate(IDS).tolist()
    heard: list[int] = []
    handle = model.register_forward_hook(lambda *_: heard.append(1))
    assert model.generate(IDS).tolist() == expected
    handle.remove()
    published = model.forward
    model.forward = lambda *args, **kwargs: (heard.append(2), published(*args, **kwargs))[1]
    assert model.generate(IDS).tolist() == expected
    assert set(heard) == {1, 2}


def test_an_inner_model_of_ones_own_is_called() -> None:
    class Inner(models.BartModel):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            output = super().forward(*args, **kwargs)
            output["last_hidden_state"] = torch.zeros_like(output.last_hidden_state)
            return output

    model, _, _ = pair("bart", "ForConditionalGeneration")
    model.model = Inner(model.config).double().eval()
    model.final_logits_bias[:, FAVOURITE] = 1
    assert (model.generate(IDS)[:, 1:] == FAVOURITE).all()


def test_searches_that_would_pass_it_by_are_refused() -> None:
    model, called, _ = pair("bart", "ForConditionalGeneration")
    for options in (
        {"penalty_alpha": 0.6, "top_k": 4},
        {"assistant_model": model},
        {"cache_implementation": "static"},
    ):
        with pytest.raises(OptionError, match="would pass by this model's own `forward`"):
            called.generate(IDS[:1], **options)
    _, called, _ = pair("bart", "ForCausalLM")
    with pytest.raises(OptionError, match="prompt of vectors"):
        called.generate(inputs_embeds=torch.ones(1, 2, called.config.d_model, dtype=torch.float64))
