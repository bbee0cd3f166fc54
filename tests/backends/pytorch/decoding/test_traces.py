from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bartleby.generation.config import GenerationConfig
from bartleby.generation.cuts import TopK
from bartleby.generation.tracing import Tracer
from tests.parity.random_models import MODEL_TYPES, VOCABULARY, random_config, random_weights

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.company import Company  # noqa: E402
from bartleby.backends.pytorch.decoding.task import Written  # noqa: E402
from bartleby.backends.pytorch.decoding.traces import traced, watched  # noqa: E402

SOURCES = torch.tensor([[5, 6, 7, 8, 9, 2], [10, 11, 12, 13, 14, 2]])
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"no_repeat_ngram_size": 1},
    "sampling": {"do_sample": True, "top_k": 7, "num_return_sequences": 2, "repetition_penalty": 1.5},
    "beams": {"num_beams": 3, "num_return_sequences": 2, "forced_eos_token_id": 2},
    "diverse": {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 2.0},
    "constrained": {"num_beams": 3, "force_words_ids": [[7, 8]]},
    "contrastive": {"penalty_alpha": 0.4, "top_k": 3},
    "lookup": {"prompt_lookup_num_tokens": 3},
}


def model_of(model_type: str) -> Any:
    random = np.random.default_rng(3)
    config = random_config(random, model_type)
    weights = random_weights(random, config)
    model = AutoModelForSeq2SeqLM.from_config(config).double().eval()
    model.load_state_dict({name: torch.from_numpy(weights[name]) for name in model.state_dict()})
    names = ("pad_token_id", "bos_token_id", "decoder_start_token_id")
    model.generation_config = GenerationConfig(
        max_length=10, eos_token_id=2, **{name: getattr(config, name) for name in names}
    )
    return model


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("way", WAYS)
def test_a_trace_tells_of_every_token_and_changes_none(model_type: str, way: str) -> None:
    model, sources = model_of(model_type), SOURCES[:1] if way == "lookup" else SOURCES
    torch.manual_seed(0)
    output = model.generate(sources, **WAYS[way], trace=True)
    torch.manual_seed(0)
    assert torch.equal(output.sequences, model.generate(sources, **WAYS[way], return_dict_in_generate=True).sequences)
    rows = [list(one.prompt + one.ids) for one in output.trace.outputs]
    assert [ids + [model.config.pad_token_id] * (output.sequences.shape[1] - len(ids)) for ids in rows] == (
        output.sequences.tolist()
    )
    for one in output.trace.outputs:
        assert [step.token for step in one.steps] == list(one.ids)
        assert all(step.probability is not None for step in one.steps)
    json.dumps(output.trace.to_dict(), allow_nan=False)


def test_it_is_the_trace_of_the_scores_that_are_returned() -> None:
    output = model_of("bart").generate(
        SOURCES, **WAYS["greedy"], trace=True, return_dict_in_generate=True, output_logits=True
    )
    for place, one in enumerate(output.trace.outputs):
        for step, logits in zip(one.steps, output.logits, strict=False):
            likely = logits[place].softmax(dim=0)
            assert step.probability == pytest.approx(float(likely[step.token]), rel=1e-4)
            assert step.before[0].token == int(likely.argmax())


def test_processors_are_told_from_the_rules() -> None:
    def favour(ids: Any, scores: Any) -> Any:
        return scores + 100 * torch.nn.functional.one_hot(torch.tensor(7), scores.shape[1])

    trace = model_of("bart").generate(SOURCES, logits_processor=[favour], forced_bos_token_id=9, trace=True).trace
    first, second, *_ = trace.outputs[0].steps
    assert [effect.setting for effect in first.effects] == ["forced_bos_token_id"]
    assert (first.token, first.why) == (9, "only")
    assert [(effect.setting, effect.changed) for effect in second.effects] == [("logits_processor", 1)]
    assert second.token == 7
    assert f"(rank {first.rank} of {VOCABULARY})" in str(trace)


def test_whose_word_it_was() -> None:
    model = model_of("bart")
    trace = model.generate(SOURCES, GenerationConfig(max_length=5, num_beams=2), min_length=3, trace=True).trace
    sources = {name: origin.source for name, origin in trace.origins.items()}
    assert (sources["max_length"], sources["min_length"]) == ("caller_config", "caller")
    assert (sources["eos_token_id"], sources["length_penalty"]) == ("generation_config", "default")


def test_stopping_criteria_end_an_output_by_their_own_word() -> None:
    trace = (
        model_of("bart").generate(SOURCES, stopping_criteria=[lambda ids, scores: ids.shape[1] > 2], trace=True).trace
    )
    assert {one.reason for one in trace.outputs} <= {"stopped", "eos"}
    assert "a stopping criterion said so" in str(trace)


def test_functions_are_watched_under_the_names_of_what_they_do() -> None:
    def double(ids: Any, scores: Any, sources: Any) -> Any:
        return scores * 2

    tracer = Tracer(GenerationConfig(eos_token_id=2))
    company = Company(logits_processor=[double], logits_warper=[double], tracer=tracer)
    before, cuts = [TopK(50)], [TopK(40)]
    assert watched([double], [], [], Company()) == [double]
    scores = torch.tensor([[1.0, 2.0, 3.0]])
    for rule in watched([double] * 4, before, cuts, company):
        scores = rule(torch.tensor([[4]]), scores, torch.tensor([0]))
    assert scores.tolist() == [[16.0, 32.0, 48.0]]
    [seen] = tracer.steps[0].values()
    assert [effect.setting for effect in seen.effects] == ["top_k", "logits_processor", "top_k", "logits_warper"]


def test_outputs_are_cut_where_they_end() -> None:
    tracer = Tracer(GenerationConfig(eos_token_id=2, max_length=4))
    for rule in tracer.watched([]):
        rule(torch.tensor([[4]]), torch.zeros(1, 9), torch.tensor([0]))
    ones = torch.ones(1, 1, dtype=torch.long)
    written = Written(torch.tensor([[[4, 7, 8, 0]]]), 2 * ones, torch.zeros(1, 1), 0 * ones, torch.zeros(1, 1, 4))
    [output] = traced(written, 1, Company(tracer=tracer)).outputs
    assert (output.prompt, output.ids, output.reason) == ((4,), (7, 8), "eos")
