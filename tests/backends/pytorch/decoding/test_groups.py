from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bartleby.generation import search as definition
from bartleby.generation.config import GenerationConfig
from tests.generation.markov import EOS, START, random_tables

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.backend import hypotheses  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.rules import applied  # noqa: E402
from bartleby.backends.pytorch.decoding.search import search  # noqa: E402
from bartleby.backends.pytorch.decoding.task import Task  # noqa: E402
from bartleby.generation.resolution import length_bounds  # noqa: E402
from bartleby.generation.rules import rules_for  # noqa: E402
from tests.backends.pytorch.decoding.drifting import CPU, SOURCES, TOKENS, DriftingDecoder, DriftingWriter, same  # noqa: E402

OPTIONS = st.fixed_dictionaries(
    {
        "num_beam_groups": st.integers(2, 4),
        "diversity_penalty": st.sampled_from([0.3, 1.0, 4.0]),
        "max_length": st.integers(2, 12),
        "length_penalty": st.sampled_from([1.0, 0.0, 0.65, 2.0, -1.0]),
        "early_stopping": st.sampled_from([True, False, "never"]),
        "no_repeat_ngram_size": st.integers(0, 2),
        "repetition_penalty": st.sampled_from([1.0, 1.4]),
        "forced_bos_token_id": st.sampled_from([None, 6]),
        "forced_eos_token_id": st.sampled_from([None, EOS]),
        "eos_token_id": st.sampled_from([EOS, [EOS, 9]]),
    }
)


class WholeWriter(DriftingWriter):
    """Follows which row is which: those of a whole search are b·n from the first step."""

    def __init__(self, tables: Any, beams: int) -> None:
        super().__init__(tables)
        self.beams = beams

    def step(self, ids: Any) -> Any:
        assert len(ids) == len(self.live) * self.beams
        return super().step(ids)


class Listener:
    def __init__(self) -> None:
        self.scores: list[Any] = []
        self.tokens: list[Any] = []

    def scored(self, scores: Any) -> None:
        self.scores.append(scores.clone())

    def wrote(self, tokens: Any) -> None:
        self.tokens.append(tokens.clone())


def written(tables: Any, options: GenerationConfig, **more: Any) -> Any:
    _, max_length = length_bounds(options, 1)
    rules = applied(rules_for(options, 1, SOURCES), CPU)
    task = Task(options, rules, torch.full((len(tables), 1), START), max_length, **more)
    writer = WholeWriter(tables, options.num_beams) if more.get("whole") else DriftingWriter(tables)
    return search(task, writer)


@settings(max_examples=100)
@given(OPTIONS, st.integers(1, 3), st.integers(0, 10**4), st.booleans(), st.data())
def test_it_writes_what_the_definition_writes(
    options: dict[str, Any], size: int, seed: int, whole: bool, data: st.DataObject
) -> None:
    beams = size * options["num_beam_groups"]
    config = GenerationConfig(
        **TOKENS | options, num_beams=beams, num_return_sequences=data.draw(st.integers(1, beams))
    )
    tables = random_tables(seed, sources=3)
    expected = definition.generate(DriftingDecoder(tables), config, SOURCES)
    assert same(hypotheses(written(tables, config, whole=whole), prompt_length=1), expected)


def options_of(**more: Any) -> GenerationConfig:
    return GenerationConfig(
        **TOKENS, num_beams=4, num_beam_groups=2, diversity_penalty=0.5, num_return_sequences=4, max_length=9, **more
    )


@pytest.mark.parametrize("early_stopping", [True, False])
def test_the_trail_leads_to_the_scores_of_every_token(early_stopping: bool) -> None:
    listener, options = Listener(), options_of(early_stopping=early_stopping, length_penalty=0.0)
    found = written(random_tables(3, sources=3), options, whole=True, listener=listener)
    for ids, trail, length, score in zip(
        found.ids.flatten(0, 1), found.trail.flatten(0, 1), found.lengths.flatten(), found.scores.flatten(), strict=True
    ):
        assert trail[: 1 + length].tolist()[0] == -1
        assert (trail[1 + length :] == -1).all()
        parts = [listener.scores[step][trail[1 + step], ids[1 + step]] for step in range(length)]
        assert sum(parts).item() == pytest.approx(score.item(), abs=1e-4)


def test_whoever_listens_hears_of_all_groups_at_once() -> None:
    listener = Listener()
    written(random_tables(4, sources=3), options_of(), whole=True, listener=listener)
    assert {tuple(scores.shape) for scores in listener.scores} == {(12, 12)}
    assert {len(tokens) for tokens in listener.tokens} == {12}


def test_a_stopped_beam_is_finished_as_it_stands() -> None:
    def stops(ids: Any) -> Any:
        return (ids[:, 1:] == 7).any(dim=1)

    tables = random_tables(5, sources=3)
    tables[:, :, 7] += 3
    found = hypotheses(written(tables, options_of(), whole=True, stops=stops), prompt_length=1)
    ends = [one for outputs in found for one in outputs if one.finish_reason == "stopped"]
    assert ends
    assert all(one.ids.index(7) == len(one.ids) - 1 for one in ends)
    assert all(7 not in one.ids for outputs in found for one in outputs if one.finish_reason != "stopped")


def test_stopping_everything_gives_the_beams_as_they_stand() -> None:
    def stops(ids: Any) -> Any:
        return torch.full(ids.shape[:1], ids.shape[1] >= 4)

    tables = random_tables(6, sources=3)
    options = options_of(suppress_tokens=[EOS])
    stopped = hypotheses(written(tables, options, whole=True, stops=stops), prompt_length=1)
    shorter = hypotheses(written(tables, GenerationConfig(**options.to_dict() | {"max_length": 4})), prompt_length=1)
    assert [[one.ids for one in outputs] for outputs in stopped] == [[one.ids for one in rest] for rest in shorter]
    assert {one.finish_reason for outputs in stopped for one in outputs} == {"stopped"}


def test_a_finished_source_leaves_the_batch() -> None:
    tables = np.full((3, 12, 12), -4, dtype=np.float32)
    tables[:, :, 5:9] = 4
    tables[1, :, EOS] = 30
    writer = DriftingWriter(tables)
    options = options_of(early_stopping=True, max_new_tokens=8)
    task = Task(options, [], torch.full((3, 1), START), 9)
    search(task, writer)
    assert writer.rows_asked[0] == 3
    assert writer.rows_asked[-1] == 8
