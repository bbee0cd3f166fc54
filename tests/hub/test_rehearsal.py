"""What runs with the published checkpoints, run with small ones of random weights: no name, argument or shape is wrong.

What they answer is noise; only its form is tested, and what does not hang on the weights.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest

pytest.importorskip("torch")

import torch

from tests.hub import random_hub
from tests.hub.absent import or_absent
from tests.hub.documented import SEEDS, is_as_printed, read_examples, run
from tests.hub.published import CASES, kind_of, read_cases

pytestmark = pytest.mark.usefixtures("random_checkpoints")

WITHOUT_WEIGHTS = ("[0, ", "[47, ", "[6950, ", "True", "Human:")
"""How begins what is printed alike with any weights: ids, truths, and what the user says."""


def without_numbers(source):
    """Whole models of published size are built as shapes alone."""
    return torch.device("meta") if "(configuration)" in source else nullcontext()


@pytest.mark.parametrize("example", or_absent(read_examples("torch"), SEEDS, name="place"))
def test_a_documented_example_runs(example):
    if ">>>" not in example.code:  # a script, which ends by asserting what the weights say
        with pytest.raises(AssertionError):
            run(example)
        return
    printed = run(example, without_numbers)
    for wanted, got in printed:
        if wanted.startswith(WITHOUT_WEIGHTS):
            assert is_as_printed(wanted, got)
        elif wanted.startswith("[1, "):  # shapes, but for the width
            assert got == f"{wanted.rpartition(',')[0]}, {random_hub.WIDTH}]\n"
        else:
            assert bool(got) == bool(wanted) or not wanted


@pytest.mark.filterwarnings("ignore:.*early_stopping:UserWarning")  # given beside one beam, as published
@pytest.mark.parametrize("case", or_absent(read_cases(), CASES))
def test_a_published_case_runs(case):
    assert kind_of(case)(case).has_the_form()


def test_there_are_as_many_as_there_should_be(shared):
    assert (len(read_examples("torch")), len(read_cases())) == (28, 35)
