"""A model that is a table, as a decoder of the definition and as a writer over tensors; for the tests of searches."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from bartleby.backends.pytorch.backend import hypotheses
from bartleby.backends.pytorch.decoding.rules import applied
from bartleby.backends.pytorch.decoding.search import search
from bartleby.backends.pytorch.decoding.task import Task
from bartleby.generation import search as definition
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import length_bounds
from bartleby.generation.rules import rules_for
from tests.generation.markov import BOS, EOS, PAD, START, VOCABULARY, MarkovDecoder

TOKENS = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": START}
SOURCES = [[4, 5, 6, EOS], [7, EOS], [8, 8, 4, EOS]]
CPU = torch.device("cpu")


DRIFT = (np.random.default_rng(9).standard_normal((32, VOCABULARY)) / 4).astype(np.float32)
"""Added to the scores at each place: else all outputs that make the same steps in another order would tie."""


class DriftingDecoder(MarkovDecoder):
    def start(self, sources: np.ndarray) -> None:
        super().start(sources)
        self.place = -1

    def step(self, tokens: np.ndarray) -> np.ndarray:
        self.place += 1
        return super().step(tokens) + DRIFT[self.place]


class DriftingWriter:
    """The same as a writer over tensors; counts the rows it was asked about."""

    def __init__(self, tables: np.ndarray) -> None:
        self.tables = torch.from_numpy(tables)
        self.live = torch.arange(len(tables))
        self.rows_asked: list[int] = []

    def step(self, ids: Any) -> Any:
        self.rows_asked.append(len(ids))
        scores = self.tables[self.live.repeat_interleave(len(ids) // len(self.live)), ids[:, -1]]
        return scores + torch.from_numpy(DRIFT[ids.shape[1] - 1])

    def reorder(self, rows: Any) -> None:
        self.rows = rows

    def keep(self, sources: Any) -> None:
        self.live = self.live[sources]


class NoiseOfTheDefinition:
    """The random numbers that generation/search.py draws for the same seed, where each source has one row."""

    def __init__(self, seed: int, sources: int) -> None:
        self.streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(sources)]
        self.is_first = True

    def __call__(self, sources: Any, rows: int, width: int) -> Any:
        noise = torch.zeros(len(sources), rows, width, dtype=torch.float64)
        real = 1 if self.is_first else rows  # the definition begins with one beam
        for row, source in zip(noise, sources.tolist(), strict=True):
            row[:real] = torch.from_numpy(self.streams[source].gumbel(size=real * width)).view(real, width)
        self.is_first = False
        return noise


def written(
    tables: np.ndarray, options: GenerationConfig, noise: Any = None, **more: Any
) -> tuple[definition.Generated, DriftingWriter]:
    writer = DriftingWriter(tables)
    _, max_length = length_bounds(options, 1)
    rules = applied(rules_for(options, 1, SOURCES), CPU)
    task = Task(options, rules, torch.full((len(tables), 1), START), max_length, noise, **more)
    return hypotheses(search(task, writer), prompt_length=1), writer


def same(ours: definition.Generated, theirs: definition.Generated) -> bool:
    pairs = [pair for sources in zip(ours, theirs, strict=True) for pair in zip(*sources, strict=True)]
    return all(
        (one.ids, one.finish_reason) == (other.ids, other.finish_reason)
        and one.score == pytest.approx(other.score, abs=1e-4)
        for one, other in pairs
    )


OPTIONS = st.fixed_dictionaries(
    {
        "num_beams": st.integers(1, 5),
        "max_length": st.integers(2, 12),
        "length_penalty": st.sampled_from([1.0, 0.0, 0.65, 2.0, -1.0]),
        "early_stopping": st.sampled_from([True, False, "never"]),
        "no_repeat_ngram_size": st.integers(0, 2),
        "encoder_no_repeat_ngram_size": st.integers(0, 2),
        "repetition_penalty": st.sampled_from([1.0, 1.4]),
        "suppress_tokens": st.sampled_from([None, [4, 5], [0, 1, 3, 4, 5, 7, 8, 9, 10, 11]]),
        "forced_bos_token_id": st.sampled_from([None, 6]),
        "forced_eos_token_id": st.sampled_from([None, EOS]),
        "eos_token_id": st.sampled_from([EOS, [EOS, 9], None]),
    }
)


def allowed(options: dict[str, Any], **more: Any) -> GenerationConfig:
    if options["num_beams"] == 1:
        options = {name: value for name, value in options.items() if name not in ("length_penalty", "early_stopping")}
    return GenerationConfig(**{**TOKENS, **options, **more})
