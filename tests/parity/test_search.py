"""The searches that only 4.x has, token by token against what 4.37.2 wrote; the goldens' maker tells how."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bartleby.generation.config import GenerationConfig
from bartleby.generation.constraints import PhrasalConstraint
from tests.parity.decoding import IMPLEMENTATIONS, as_in_release_4
from tests.parity.draws import Draw
from tests.parity.search_draws import constrained_draw, group_draw
from tests.parity.tally import TALLIES

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding import processors, scorers, stopping  # noqa: E402  after the skip
from tests.parity.entry_draws import DOORS, enter, entry_draw  # noqa: E402

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "search.json").read_text(encoding="utf-8"))
SUITE = "decoding against goldens of transformers 4.37.2"
KINDS: dict[str, Callable[[str, int], Draw]] = {"groups": group_draw, "constrained": constrained_draw}
LIBRARY = SimpleNamespace(**vars(processors) | vars(scorers) | vars(stopping), PhrasalConstraint=PhrasalConstraint)


def draws(kind: str, maker: Callable[[str, int], Draw]) -> list[tuple[str, Draw, Any]]:
    named = [(name, *name.rsplit(" ", 1), expected) for name, expected in GOLDENS[kind].items()]
    return [(name, maker(model_type, int(seed)), expected) for name, model_type, seed, expected in named]


def is_close(found: list[float], expected: list[float]) -> bool:
    return np.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_goldens_are_enough_and_of_the_right_release() -> None:
    assert GOLDENS["made_with"]["transformers"] == "4.37.2"
    assert len(GOLDENS["groups"]) >= 60
    assert len(GOLDENS["constrained"]) >= 40
    assert len(GOLDENS["doors"]) >= 20
    assert {door for found in GOLDENS["doors"].values() for door in found} == set(DOORS)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_scores_are_those_of_4_37(kind: str, implementation: str) -> None:
    for name, drawn, expected in draws(kind, KINDS[kind]):
        if implementation == "plain" and (expected["scores"] is None or -np.inf in expected["scores"]):
            continue  # of what is all forbidden, 4.37 writes what torch.topk happens to choose
        backend = IMPLEMENTATIONS[implementation](drawn)
        found = backend.generate(drawn.sources, GenerationConfig(**drawn.options), decoder_input_ids=drawn.prompts)
        ids = as_in_release_4(drawn, [[list(one.ids) for one in outputs] for outputs in found])
        scores = [one.score for outputs in found for one in outputs]
        agrees = ids == expected["ids"] and (expected["scores"] is None or is_close(scores, expected["scores"]))
        TALLIES[SUITE].add({}, agrees)
        assert agrees, name


@pytest.mark.parametrize("door", DOORS)
def test_doors_give_what_they_gave_in_4_37(door: str) -> None:
    for name, drawn, outputs in draws("doors", entry_draw):
        if door not in outputs:
            continue
        expected, model = outputs[door], IMPLEMENTATIONS["pytorch"](drawn).model  # type: ignore[attr-defined]
        found = enter(door, model, LIBRARY, drawn)
        is_same = found.sequences.tolist() == expected["ids"] and len(found.scores) == expected["steps"]
        scores = expected["scores"]
        agrees = is_same and (scores is None or is_close(found.sequences_scores.tolist(), scores))
        TALLIES[SUITE].add({}, agrees)
        assert agrees, name
