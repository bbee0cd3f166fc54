import logging
import warnings

import numpy as np
import pytest

from bartleby.lab.sides import PlainSide, TorchSide, quiet, until
from bartleby.lab.subject import Subject
from tests.lab.small_models import save_model

HEADS = ("conditional_generation", "sequence_classification", "question_answering", "causal_lm")


@pytest.mark.parametrize("head", HEADS)
def test_both_sides_say_the_same_of_a_batch(tmp_path, head):
    pytest.importorskip("torch")
    subject = Subject.open(str(save_model(tmp_path, head)), 3, 0)
    plain, pytorch = PlainSide(subject, "float64"), TorchSide.open(subject, "float64", "cpu")
    expected = plain.forward(subject.sources, subject.targets)
    for room in (0, 5):
        found = pytorch.forward(subject.sources, subject.targets, room)
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=0, atol=1e-12)


def test_both_sides_write_the_same(tmp_path):
    pytest.importorskip("torch")
    subject = Subject.open(str(save_model(tmp_path)), 3, 0)
    plain, pytorch = PlainSide(subject, "float32"), TorchSide.open(subject, "float32", "cpu")
    written = plain.generate(subject.sources, subject.generation_config)
    assert pytorch.generate(subject.sources, subject.generation_config) == written
    assert pytorch.generate(subject.sources, subject.generation_config, room=4) == written
    assert {len(ids) for ids in written} <= set(range(1, 9))


def test_a_decoder_alone_goes_on_with_every_source_by_itself(tmp_path):
    pytest.importorskip("torch")
    subject = Subject.open(str(save_model(tmp_path, "causal_lm")), 3, 0)
    side = TorchSide.open(subject, "float32", "cpu")
    together = side.generate(subject.sources, subject.generation_config)
    assert together == [side.generate([source], subject.generation_config)[0] for source in subject.sources]
    assert all(together)


def test_an_answer_ends_with_its_first_end_token():
    assert until([5, 2, 7, 2], [2]) == [5, 2]
    assert until([5, 7], [2]) == [5, 7]
    assert until([], [2]) == []


def test_quiet_holds_back_warnings_and_gives_the_levels_back():
    logger = logging.getLogger("bartleby")
    before = logger.level
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("nobody hears this", stacklevel=1)
            assert logger.level == logging.ERROR
    assert heard == []
    assert logger.level == before
