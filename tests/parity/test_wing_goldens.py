"""The Flax and TensorFlow classes against those of transformers 4.37.2, the last release that is whole in all three.

Its answers are in goldens/wings.npz and goldens/wing_files.json.xz; make_wing_goldens.py also says where that release
is itself in doubt. Differences are relative to the size of what is compared.
"""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import bartleby
from tests.parity.draws import Draw
from tests.parity.tally import TALLIES
from tests.parity.wing_answers import answer, searched
from tests.parity.wing_draws import FRAMEWORKS, Framework, WingDraw, searches, wing_draws
from tests.parity.wing_files import saved

GOLDENS = Path(__file__).parent / "goldens"
FORWARD, TAUGHT, SCORES = 1e-5, 1e-4, 1e-4
NEEDS = {"Flax": "flax", "TF": "tensorflow"}
EXTRAS = {"Flax": "flax", "TF": "tensorflow"}

SINCE_CHANGED = {"Flax search blenderbot 1"}
"""What 5.23 and this library write otherwise: with `early_stopping=False` the releases end beams differently."""

PASSES = [draw for framework in FRAMEWORKS for draw in wing_draws(framework)]
SEARCHES = [(framework, name, drawn) for framework in FRAMEWORKS for name, drawn in searches(framework)]


def need(framework: Framework) -> None:
    pytest.importorskip(
        NEEDS[framework], reason=f'the wing is not installed: pip install "bartleby[{EXTRAS[framework]}]"'
    )


@pytest.fixture(scope="module")
def goldens() -> dict[str, npt.NDArray[Any]]:
    stored = np.load(GOLDENS / "wings.npz")
    assert str(stored["versions"]).startswith("transformers 4.37.2, tensorflow 2.15.1, jax 0.4.34, flax 0.8.5")
    return dict(stored)


def parts(goldens: dict[str, npt.NDArray[Any]], name: str) -> dict[str, npt.NDArray[Any]]:
    found = {key.partition("|")[2]: array for key, array in goldens.items() if key.startswith(f"{name}|")}
    assert found, name
    return found


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(draw, id=draw.name.replace(" ", "-"), marks=[pytest.mark.slow] * (draw.number > 0))
        for draw in PASSES
    ],
)
def test_a_pass_is_that_of_the_release(draw: WingDraw, goldens: dict[str, npt.NDArray[Any]]) -> None:
    need(draw.framework)
    wanted, found = parts(goldens, draw.name), answer(bartleby, draw)
    assert set(found) == set(wanted)
    differences = {name: apart(as_one_mean(draw, found[name], wanted[name]), wanted[name]) for name in wanted}
    kind = "losses and gradients" if draw.kind == "lesson" else "outputs"
    worst = max(differences.values())
    agrees = worst <= (TAUGHT if draw.kind == "lesson" else FORWARD)
    TALLIES[f"{draw.framework} classes against goldens of transformers 4.37.2"].add({kind: worst}, agrees)
    assert agrees, {name: difference for name, difference in differences.items() if difference > FORWARD}


def as_one_mean(draw: WingDraw, ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Our losses of every label as the one number that the release has without `tf_legacy_loss`."""
    return ours.mean(keepdims=True) if draw.framework == "TF" and theirs.shape == (1,) != ours.shape else ours


def apart(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    assert ours.shape == theirs.shape
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(finite, np.isfinite(ours))
    if not finite.any():
        return 0.0
    return float(np.abs(ours[finite] - theirs[finite]).max() / max(1.0, float(np.abs(theirs[finite]).max())))


@pytest.mark.parametrize(
    ("framework", "name", "drawn"),
    [
        pytest.param(
            *each, id="-".join([each[0], *each[1].split()]), marks=[pytest.mark.slow] * (each[1][-1] not in "01")
        )
        for each in SEARCHES
    ],
)
def test_a_search_finds_what_the_release_found(
    framework: Framework, name: str, drawn: Draw, goldens: dict[str, npt.NDArray[Any]]
) -> None:
    need(framework)
    full = f"{framework} search {name}"
    wanted, found = parts(goldens, full), searched(bartleby, framework, drawn)
    assert set(found) == set(wanted)
    listed = full if full in {*goldens["listed"], *SINCE_CHANGED} else None
    rows, published = (ids_of(framework, told["sequences"], drawn) for told in (found, wanted))
    TALLIES[f"{framework} searches against goldens of transformers 4.37.2"].add(
        {}, rows == published or listed is not None, listed
    )
    if listed is not None:
        assert rows != published, "no longer told apart"
        return
    assert rows == published
    if "scores" in wanted:  # the release leaves the scores of rows that were cut off undivided by their length
        ended = np.array([drawn.options["eos_token_id"] in row[1:] for row in rows])
        found["scores"], wanted["scores"] = found["scores"][ended], wanted["scores"][ended]
    differences = {part: apart(found[part], wanted[part]) for part in wanted if part not in ("sequences", "steps")}
    assert {part: difference for part, difference in differences.items() if difference > SCORES} == {}


def ids_of(framework: Framework, sequences: npt.NDArray[Any], drawn: Draw) -> list[list[int]]:
    """Rows as they are; from TensorFlow without padding, of which the release has a column for each step it took."""
    rows: list[list[int]] = sequences.tolist()
    pad = drawn.config.pad_token_id
    while framework == "TF" and all(row[-1] == pad for row in rows):
        rows = [row[:-1] for row in rows]
    return rows


def test_few_searches_are_listed(goldens: dict[str, npt.NDArray[Any]]) -> None:
    assert sorted(goldens["listed"].tolist()) == [
        "Flax search blenderbot 3",
        "Flax search cnn",
        "Flax search xsum",
        "TF search blenderbot-small 1",
    ]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_files_hold_the_names_and_shapes_of_the_release(framework: Framework) -> None:
    need(framework)
    wanted = json.loads(lzma.decompress((GOLDENS / "wing_files.json.xz").read_bytes()))
    assert wanted.pop("made_with").startswith("transformers 4.37.2")
    found = dict(saved(bartleby, framework))
    assert set(found) == {name for name in wanted if name.startswith(framework)}
    for name, files in found.items():
        assert set(files) == set(wanted[name]), name
        ours, theirs = all_names(files), all_names(wanted[name])
        if name.endswith("untied"):  # tables of their own for both stacks, where the release has the shared one alone
            ours = [(path, shape) for path, shape in ours if "embed_tokens" not in path or "CausalLM" in name]
        assert ours == theirs, name


def all_names(files: dict[str, Any]) -> list[tuple[str, str]]:
    """Every name and what is said of it, whichever shard it is in.

    Keras numbers the models of a process (tf_bart_model_6); the number is left out.
    """
    found = []
    for content in files.values():
        if isinstance(content, list):
            found += [(name, str(shape)) for name, shape in content]
        elif "weight_map" in content:
            found += [(name, str(content["metadata"])) for name in content["weight_map"]]
        else:
            found += [(name, str(shape)) for name, shape in content["shapes"]]
            found += [(name, label) for label, names in content["lists"].items() for name in names]
    return sorted((re.sub(r"(\btf_[a-z_]+)_\d+/", r"\1/", name), told) for name, told in found)
