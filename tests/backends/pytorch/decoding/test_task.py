from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation.config import GenerationConfig
from bartleby.generation.rules import rules_for
from tests.generation.markov import START, random_tables

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.decoding.rules import applied  # noqa: E402
from bartleby.backends.pytorch.decoding.search import search  # noqa: E402
from bartleby.backends.pytorch.decoding.task import Task  # noqa: E402
from tests.backends.pytorch.decoding.drifting import (  # noqa: E402
    CPU,
    OPTIONS,
    SOURCES,
    TOKENS,
    DriftingWriter,
    allowed,
    written,
)


class Watcher:
    def __init__(self) -> None:
        self.scores: list[Any] = []
        self.tokens: list[Any] = []

    def scored(self, scores: Any) -> None:
        self.scores.append(scores)

    def wrote(self, tokens: Any) -> None:
        self.tokens.append(tokens)


@given(OPTIONS, st.integers(0, 10**4))
def test_the_trail_of_an_output_leads_to_the_scores_it_is_made_of(options: dict[str, Any], seed: int) -> None:
    options = options | {"num_beams": max(2, options["num_beams"]), "suppress_tokens": None}
    config, tables, watcher = allowed(options), random_tables(seed, sources=3), Watcher()
    rules = applied(rules_for(config, 1, SOURCES), CPU)
    prompts = torch.full((len(tables), 1), START)
    task = Task(config, rules, prompts, config.max_length, whole=True, listener=watcher)
    output = search(task, DriftingWriter(tables))
    assert len(watcher.scores) == len(watcher.tokens)
    for source in range(3):
        length = int(output.lengths[source, 0])
        steps = zip(watcher.scores, output.trail[source, 0, 1:], output.ids[source, 0, 1:], strict=False)
        total = sum(float(scores[row, token]) for scores, row, token in list(steps)[:length])
        found = total / max(length, 1) ** config.length_penalty
        assert found == pytest.approx(float(output.scores[source, 0]), abs=1e-4, rel=1e-4)
        assert (output.trail[source, 0, 1 + length :] == -1).all()


@pytest.mark.parametrize("beams", [1, 3])
def test_a_caller_may_stop_rows(beams: int) -> None:
    """Here at the first 5; of three sources one never writes it."""
    tables = random_tables(3, sources=3)
    tables[2, :, 5] = -100
    tables[:2, :, 5] += 9
    options = GenerationConfig(**TOKENS | {"eos_token_id": None}, max_length=9, num_beams=beams)
    found, _ = written(tables, options, whole=True, stops=lambda ids: ids[:, -1] == 5)
    for hypotheses_of_one in found:
        (one,) = hypotheses_of_one
        assert one.finish_reason == ("stopped" if one.ids[-1] == 5 else "length")
        assert 5 not in one.ids[:-1]
    assert found[2][0].finish_reason == "length"
    assert found[0][0].finish_reason == "stopped"
