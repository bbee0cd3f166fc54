import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.generation.beams import Hypothesis
from bartleby.generation.config import GenerationConfig
from bartleby.tasks import batches
from bartleby.tasks.batches import Writing, best_answers, in_batches


class Copyist:
    """A backend that answers with the source, and keeps how it was asked."""

    def __init__(self) -> None:
        self.asked = []
        self.seeds = []

    def generate(self, input_ids, options, seed=None):
        self.asked.append([len(ids) for ids in input_ids])
        self.seeds.append(seed)
        return [[Hypothesis(tuple(ids), -1.0, "eos"), Hypothesis((0,), -2.0, "eos")] for ids in input_ids]


@given(st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=8), max_size=12), st.integers(1, 4))
def test_answers_come_in_the_order_of_the_sources(sources, beams):
    backend, done = Copyist(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "SOURCE_TOKENS", 32)
        found = best_answers(backend, sources, Writing(GenerationConfig(num_beams=beams)), done.append)
    assert [list(answer.ids) for answer in found] == sources
    assert all(len(group) == 1 or max(group) * len(group) * beams <= 32 for group in backend.asked)
    assert done == sorted(done)
    assert (done or [0])[-1] == len(sources)


def test_batches_draw_with_seeds_of_their_own(monkeypatch):
    monkeypatch.setattr(batches, "SOURCE_TOKENS", 4)
    backend = Copyist()
    best_answers(backend, [[5, 6, 7]] * 3, Writing(GenerationConfig(do_sample=True), seed=7))
    assert backend.seeds == [7, 8, 9]
    best_answers(backend, [[5]], Writing(GenerationConfig()))
    assert backend.seeds[-1] is None


@given(st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=8), max_size=12))
def test_what_is_asked_of_each_text_comes_in_their_order(texts):
    asked, done = [], []

    def sums(batch):
        asked.append([len(text) for text in batch])
        return [sum(text) for text in batch]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "SOURCE_TOKENS", 16)
        assert in_batches(texts, sums, done.append) == [sum(text) for text in texts]
    assert all(len(group) == 1 or max(group) * len(group) <= 16 for group in asked)
    assert (done or [0])[-1] == len(texts)
