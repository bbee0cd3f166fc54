"""Decoding against the published releases, token by token, on random small models and random options."""

import json
from pathlib import Path

import pytest

from tests.parity.decoding import IMPLEMENTATIONS, as_in_release_4, written
from tests.parity.draws import draw
from tests.parity.random_models import MODEL_TYPES
from tests.parity.tally import TALLIES

GOLDENS = Path(__file__).parent / "goldens" / "decoding"
QUICK, SLOW = 25, 100
SCALED = json.loads((GOLDENS / "blenderbot-small-4.37.2.json").read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_ids_are_those_of_the_current_release(model_type: str) -> None:
    compare(model_type, range(QUICK))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_ids_of_many_more_draws_are_those_of_the_current_release(model_type: str) -> None:
    compare(model_type, range(QUICK, QUICK + SLOW))


def compare(model_type: str, seeds: range) -> None:
    """Every implementation on these draws."""
    releases = pytest.importorskip("tests.parity.releases")
    for seed in seeds:
        drawn = draw(model_type, seed)
        expected = releases.decode(drawn)
        for implementation in IMPLEMENTATIONS:
            agrees = written(drawn, implementation) == expected
            TALLIES["decoding against transformers 5.23"].add({}, agrees)
            assert agrees, f"{implementation} differs in draw {seed}"


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_scaled_embeddings_of_blenderbot_small_decode_as_in_4_37(implementation: str) -> None:
    assert SCALED["made_with"]["transformers"] == "4.37.2"
    draws = {seed: draw("blenderbot-small", int(seed), scale_embedding=True) for seed in SCALED["outputs"]}
    ours = {seed: as_in_release_4(drawn, written(drawn, implementation)) for seed, drawn in draws.items()}
    different = [seed for seed, ids in SCALED["outputs"].items() if ours[seed] != ids]
    for seed in draws:
        TALLIES["decoding against goldens of transformers 4.37.2"].add({}, seed not in different)
    assert different == []


def test_the_draws_are_worth_comparing() -> None:
    """Outputs that end by themselves and that do not, that vary, and that depend on the source."""
    outputs = [output for seed in range(25) for output in written(draw("bart", seed), "plain")]
    best = [hypotheses[0] for hypotheses in outputs]
    assert 0.25 < sum(ids[-1] == 2 for ids in best) / len(best) < 0.95
    assert sum(len(set(ids)) > len(ids) / 2 for ids in best) > len(best) / 3
    assert len({tuple(ids) for ids in best}) > len(best) * 0.8
