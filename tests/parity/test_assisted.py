"""Assisted decoding and prompt lookup against greedy search, and against the current release's, on random draws."""

from dataclasses import replace
from typing import Any

import pytest

from tests.parity.contrastive_draws import FORMS, contrastive_draw
from tests.parity.decoding import like, model_of
from tests.parity.draws import Draw, Form
from tests.parity.random_models import MODEL_TYPES
from tests.parity.tally import TALLIES

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from tests.parity.test_contrastive import written  # noqa: E402  after the skip

WAYS: tuple[dict[str, Any], ...] = (
    {"num_assistant_tokens_schedule": "heuristic"},
    {"num_assistant_tokens_schedule": "heuristic_transient", "num_assistant_tokens": 2},
    {"num_assistant_tokens_schedule": "constant", "assistant_confidence_threshold": 0.3},
)


def greedy_draw(model_type: str, seed: int, form: Form) -> Draw:
    drawn = contrastive_draw(model_type, seed, form)
    options = {name: value for name, value in drawn.options.items() if name not in ("penalty_alpha", "top_k")}
    return replace(drawn, options=options)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_ids_are_those_of_greedy_search(model_type: str, form: Form) -> None:
    for seed in range(4):
        drawn = greedy_draw(model_type, seed, form)
        expected = written(drawn, form)
        helper = like(model_of(drawn, form), seed)
        for way in WAYS:
            assert written(drawn, form, assistant_model=helper, **way) == expected, f"draw {seed} differs with {way}"
        for size in (1, 3):
            lookup = {"prompt_lookup_num_tokens": 4, "max_matching_ngram_size": size}
            assert written(drawn, form, **lookup) == expected, f"draw {seed} differs with lookup of {size}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.usefixtures("quiet")
def test_ids_are_those_of_the_current_release(model_type: str) -> None:
    releases = pytest.importorskip("tests.parity.releases")
    for seed in range(60, 64):
        drawn = greedy_draw(model_type, seed, "encoder-decoder")
        ids = torch.tensor(drawn.sources[:1])
        for assistant in (True, False):
            outputs = []
            for maker in (model_of, releases.model_of):
                way = {"assistant_model": like(maker(drawn), seed)} if assistant else {"prompt_lookup_num_tokens": 3}
                outputs.append(maker(drawn).generate(ids, **drawn.options, **way).tolist())
            agrees = outputs[0] == outputs[1]
            TALLIES["decoding against transformers 5.23"].add({}, agrees)
            assert agrees, f"draw {seed} differs"
