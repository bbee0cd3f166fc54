import copy
import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

from bartleby.backends.flax.decoding.programs import KEPT, Programs
from bartleby.generation.config import GenerationConfig
from tests.backends.flax.decoding.weighted import model_of
from tests.parity.random_models import random_weights, small_bart


@pytest.fixture(scope="module")
def programs() -> Programs:
    return Programs(model_of(random_weights(np.random.default_rng(0), small_bart()), small_bart()))


def test_equal_options_have_one_program_whoever_changes_theirs_later(programs: Programs) -> None:
    options = GenerationConfig(max_length=9)
    first = programs.of(options)
    assert programs.of(GenerationConfig(max_length=9)) is first
    options.max_length = 8
    assert programs.of(options) is not first
    assert programs.of(GenerationConfig(max_length=9)) is first


def test_a_processor_has_programs_of_its_own(programs: Programs) -> None:
    def one(ids: object, scores: object, length: object) -> object:
        return scores

    def other(ids: object, scores: object, length: object) -> object:
        return scores

    options = GenerationConfig(max_length=9)
    assert programs.of(options, [one]) is programs.of(options, [one])
    assert programs.of(options, [one]) is not programs.of(options, [other])


def test_those_used_longest_ago_are_let_go(programs: Programs) -> None:
    first = programs.of(GenerationConfig(max_length=100))
    for length in range(101, 101 + KEPT):
        programs.of(GenerationConfig(max_length=length))
    assert len(programs.kept) == KEPT
    assert programs.of(GenerationConfig(max_length=100)) is not first


class Model:
    """Something that has programs."""

    def __init__(self) -> None:
        self.programs: Any = Programs(self)


def test_copies_of_a_model_have_programs_of_their_own() -> None:
    model = Model()
    model.programs.of(GenerationConfig())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.programs.model is other
        assert other.programs.kept == {}
