"""Every wing writes the same ids: by each contract that a checkpoint was published with, and by drawn options.

The definition searches in float64, the wings in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bartleby.backends.plain import PlainBackend
from bartleby.family.presets import PRESETS
from bartleby.generation import GenerationConfig
from tests.parity.draws import Draw, draw
from tests.parity.random_models import MODEL_TYPES
from tests.parity.tally import TALLIES
from tests.parity.wing_models import WINGS, as_backend, build

pytestmark = pytest.mark.skipif(not WINGS, reason='no wing is installed: pip install "bartleby[torch,flax,tensorflow]"')

QUICK = ("facebook/bart-large-cnn", "facebook/blenderbot-400M-distill", "facebook/blenderbot_small-90M in ParlAI")
LENGTHS = ("min_length", "max_length", "min_new_tokens", "max_new_tokens")


def contracts() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, model type and options of every way that a checkpoint was published with; lengths fit small models.

    What ParlAI asks of a chat is told in the options nearest to it.
    """
    seen: list[Any] = []
    for name, preset in PRESETS.items():
        model_type = preset.fields["model_type"]
        lengths = {each: preset.generation[each] // 5 for each in LENGTHS if each in preset.generation}
        if preset.generation and (model_type, preset.generation) not in seen:
            seen.append((model_type, preset.generation))
            yield name, model_type, {"max_length": 16, **preset.generation, **lengths}
        if preset.parlai is not None and (model_type, "parlai") not in seen:
            seen.append((model_type, "parlai"))
            rules = {"no_repeat_ngram_size": 3, "encoder_no_repeat_ngram_size": 3, "length_penalty": 0.65}
            yield f"{name} in ParlAI", model_type, {"num_beams": 10, "min_new_tokens": 8, "max_new_tokens": 14, **rules}


def written(wing: str, drawn: Draw, seed: int | None = None) -> list[list[list[int]]]:
    """The ids of every source's outputs."""
    options = GenerationConfig(**drawn.options)
    if wing == "plain":
        backend: Any = PlainBackend(drawn.weights(), drawn.config, GenerationConfig())
    else:
        weights = {name: array.astype(np.float32) for name, array in drawn.weights().items()}
        backend = as_backend(wing, build(wing, drawn.config, "ForConditionalGeneration", weights))
    outputs = backend.generate(drawn.sources, options, seed, decoder_input_ids=drawn.prompts)
    return [[list(hypothesis.ids) for hypothesis in hypotheses] for hypotheses in outputs]


@pytest.mark.parametrize(
    ("name", "model_type", "options"),
    [
        pytest.param(*each, id=each[0].replace(" ", "-"), marks=[pytest.mark.slow] * (each[0] not in QUICK))
        for each in contracts()
    ],
)
def test_every_contract_writes_the_same_everywhere(name: str, model_type: str, options: dict[str, Any]) -> None:
    made = draw(model_type, 60_000)
    tokens = {each: made.options[each] for each in ("pad_token_id", "bos_token_id", "decoder_start_token_id")}
    drawn = replace(made, prompts=None, options={**tokens, "eos_token_id": 2, **options})
    hold_together(drawn, name)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("number", range(12))
def test_whatever_is_asked_is_written_the_same_everywhere(model_type: str, number: int) -> None:
    hold_together(draw(model_type, 61_000 + number), f"{model_type} {number}")


def hold_together(drawn: Draw, name: str) -> None:
    wanted = written("plain", drawn)
    found = {wing: written(wing, drawn) for wing in WINGS}
    TALLIES["wings, decoding"].add({}, all(ids == wanted for ids in found.values()))
    assert {wing: ids for wing, ids in found.items() if ids != wanted} == {}, (name, wanted)
