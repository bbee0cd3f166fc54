import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import DataError
from bartleby.lab.evaluating import model as measured_model
from bartleby.lab.evaluating.model import Model, Sampling, refuse_nothing
from tests.lab.evaluating.scripted import save_tiny_reader

IDS = st.lists(st.integers(5, 300), min_size=1, max_size=9)


@pytest.fixture(scope="module")
def model(tiny_chat):
    return Model.open(tiny_chat, "plain")


def test_the_order_of_a_sample_hangs_on_its_seed():
    assert sorted(Sampling(seed=3).order(50)) == list(range(50))
    assert Sampling(seed=3).order(50) == Sampling(seed=3, limit=2).order(50) != Sampling(seed=4).order(50)
    assert [Sampling(2).is_full(count) for count in (1, 2)] == [False, True]
    assert not Sampling(None).is_full(10**9)


def test_targets_end_in_eos_once(model, tmp_path):
    assert model.target("hello")[-1] == 2
    assert model.target("hello") == model.ids("hello")
    bart = Model.open(save_tiny_reader(tmp_path, "sequence_classification"), "plain")
    assert bart.target("hello").count(2) == 1


def test_an_eos_that_a_tokenizer_leaves_to_others_is_added(model, monkeypatch):
    monkeypatch.setattr(Model, "ids", lambda self, text: [7, 8])
    assert model.target("hello") == [7, 8, 2]


def test_text_is_without_special_tokens(model):
    assert model.text(model.target("hello, how are you?")) == "hello, how are you?"


@given(st.lists(st.tuples(IDS, st.lists(IDS, min_size=1, max_size=3)), min_size=1, max_size=5), st.integers(1, 60))
def test_likelihoods_are_those_of_every_pair_alone(model, pairs, at_once):
    sources, targets = [source for source, _ in pairs], [each for _, each in pairs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured_model, "LOGITS", at_once * model.backend.config.vocab_size)
        done = []
        found = model.likelihoods(sources, targets, lambda *told: done.append(told))
    assert done[-1] == ("scoring", len(sources), len(sources))
    for source, wanted, scores in zip(sources, targets, found, strict=True):
        for target, score in zip(wanted, scores, strict=True):
            np.testing.assert_allclose(score, model.backend.score([source], [target])[0], atol=1e-4)


def test_blocks_hold_no_more_than_they_may(model, monkeypatch):
    monkeypatch.setattr(measured_model, "LOGITS", 40 * model.backend.config.vocab_size)
    targets = [[[7] * length] * 2 for length in (3, 9, 5, 30, 4)]
    blocks = list(model._blocks([[5]] * 5, targets))
    assert sorted(place for block in blocks for place in block) == list(range(5))
    for block in blocks:
        longest = max(len(target) for place in block for target in targets[place])
        assert len(block) == 1 or longest * 2 * len(block) <= 40
    assert len(blocks) < 5


def test_nothing_to_measure_on_is_refused():
    with pytest.raises(DataError, match=r"There is no reply to measure on: 3 do not fit\. Check the file\."):
        refuse_nothing(0, "reply", "3 do not fit")
    refuse_nothing(1, "reply")
