"""The smallest model there is, for searches over arrays; tests/generation/markov.py has it for the definition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bartleby.generation.beams import Hypothesis
from bartleby.generation.compiled.noise import HostNoise
from bartleby.generation.compiled.rules import applied
from bartleby.generation.compiled.search import Search
from bartleby.generation.compiled.task import NO_TOKEN, Task, hypotheses
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import length_bounds
from bartleby.generation.rules import rules_for
from tests.generation.compiled.numpy_arrays import NumpyArrays


class MarkovReader:
    """A `Reader` over tables of logits (s, v, v); its memory is the source of each row."""

    def __init__(self, tables: np.ndarray) -> None:
        self.tables = tables
        self.rows_asked: list[int] = []

    def read(self, ids: np.ndarray, start: Any, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.rows_asked.append(len(ids))
        return self.tables[memory, ids[:, -1]], memory

    def reorder(self, memory: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return memory[rows]


def padded(texts: list[list[int]]) -> np.ndarray:
    longest = max(map(len, texts))
    return np.array([[*text, *[NO_TOKEN] * (longest - len(text))] for text in texts], dtype=np.int32)


def task_of(options: GenerationConfig, sources: list[list[int]], prompts: list[list[int]], **more: Any) -> Task:
    xp = NumpyArrays()
    longest = length_bounds(options, len(prompts[0]))[1]
    rules = applied(xp, rules_for(options, len(prompts[0]), ()), longest, padded(sources))
    return Task(options, rules, np.array(prompts, dtype=np.int32), longest, **more)


def write(tables: np.ndarray, task: Task) -> list[list[Hypothesis]]:
    """What the search over arrays writes, as the definition gives it back."""
    written = Search(NumpyArrays(), task, MarkovReader(tables)).run(np.arange(len(tables)))
    return hypotheses(written, task.first)


def sample(tables: np.ndarray, task: Task, seed: int) -> list[list[Hypothesis]]:
    """The same step by step, with the chance of the definition."""
    chance, width = HostNoise(seed, range(len(tables)), len(tables)), tables.shape[-1]
    search: Search
    drawn = [np.ones((len(tables), task.options.num_return_sequences if task.options.num_beams == 1 else 1), bool)]
    search = Search(NumpyArrays(), replace(task, noise=lambda *_: chance(drawn[-1], width)), MarkovReader(tables))
    going = search.begin(np.arange(len(tables)))
    while search.goes_on(going):
        drawn.append(search.kind.draws(going.state))
        going = search.step(going)
    return hypotheses(search.result(going), task.first)
