from __future__ import annotations

from typing import Any

import pytest

from bartleby.generation.config import GenerationConfig
from bartleby.generation.cuts import TopK
from bartleby.generation.tracing import Tracer

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.company import Company  # noqa: E402
from bartleby.backends.pytorch.search import Written  # noqa: E402
from bartleby.backends.pytorch.traces import traced, watched  # noqa: E402


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
