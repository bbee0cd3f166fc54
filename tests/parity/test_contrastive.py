"""Contrastive search against 4.37.2, the last release that has it, token by token on random models and options."""

import json
from pathlib import Path
from typing import Any

import pytest

from bartleby.generation.config import listed
from tests.parity.contrastive_draws import FORMS, contrastive_draw
from tests.parity.decoding import model_of
from tests.parity.draws import Draw, Form, Ids
from tests.parity.random_models import MODEL_TYPES
from tests.parity.tally import TALLIES

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "contrastive.json").read_text(encoding="utf-8"))


def written(drawn: Draw, form: Form, **options: Any) -> Ids:
    longest, pad = max(map(len, drawn.sources)), drawn.config.pad_token_id
    ids = torch.tensor([[*source, *[pad] * (longest - len(source))] for source in drawn.sources])
    mask = torch.tensor([[1] * len(source) + [0] * (longest - len(source)) for source in drawn.sources])
    prompts = {} if drawn.prompts is None else {"decoder_input_ids": torch.tensor(drawn.prompts)}
    rows = model_of(drawn, form).generate(ids, attention_mask=mask, **prompts, **drawn.options | options).tolist()
    prompt = 1 if drawn.prompts is None else len(drawn.prompts[0])
    return [[cut(row[longest if form == "decoder" else prompt :], drawn)] for row in rows]


def cut(row: list[int], drawn: Draw) -> list[int]:
    ends = [place for place, token in enumerate(row) if token in listed(drawn.options["eos_token_id"])]
    return row[: ends[0] + 1] if ends else row


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_ids_are_those_of_4_37(model_type: str, form: Form) -> None:
    assert GOLDENS["made_with"]["transformers"] == "4.37.2"
    for seed in range(GOLDENS["draws"]):
        drawn = contrastive_draw(model_type, seed, form)
        expected = GOLDENS["outputs"][f"{model_type} {form} {seed}"]
        agrees = written(drawn, form) == expected
        TALLIES["decoding against goldens of transformers 4.37.2"].add({}, agrees)
        assert agrees, f"draw {seed} differs"
        assert written(drawn, form, low_memory=True) == expected, f"draw {seed} differs one by one"


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_steps_hold_what_they_hold_in_4_37(model_type: str) -> None:
    asked = ("output_scores", "output_attentions", "output_hidden_states", "return_dict_in_generate")
    for seed, steps in enumerate(GOLDENS["steps"][model_type]):
        drawn = contrastive_draw(model_type, seed, "encoder-decoder")
        ids = torch.tensor(drawn.sources[:1])
        output = model_of(drawn, "encoder-decoder").generate(ids, **drawn.options, **dict.fromkeys(asked, True))
        assert list(output.past_key_values[0][0].shape) == steps["cache"]
        for name, sums in steps["sums"].items():
            found = output[name] if name == "scores" else [step[-1] for step in output[name]]
            assert [list(step.shape) for step in found] == steps["shapes"][name]
            assert [float(step[step.isfinite()].sum()) for step in found] == pytest.approx(sums, rel=1e-4, abs=2e-3)


def test_the_draws_are_worth_comparing() -> None:
    """Many of them are not what greedy search writes."""
    differ, greedy = 0, {"penalty_alpha": 0.0, "top_k": 50}
    for seed in range(12):
        drawn = contrastive_draw("bart", seed, "encoder-decoder")
        differ += written(drawn, "encoder-decoder") != written(drawn, "encoder-decoder", **greedy)
    assert differ >= 6
