"""Which values a declared field takes."""

from __future__ import annotations

from typing import get_args

import pytest

from bartleby.family import activations, fields
from bartleby.family.fields import ACTIVATIONS, LARGEST_SIZE, Alias, Check


def check_of(kind) -> Check:
    return next(note for note in get_args(kind) if isinstance(note, Check))


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (fields.Size, [1, LARGEST_SIZE], [0, -1, LARGEST_SIZE + 1, 10**12, 1.0, "1", True, None]),
        (fields.Count, [0, 7], [-1, 0.0, False, None]),
        (fields.Probability, [0, 1, 0.5], [-0.1, 1.1, float("nan"), "0.1", True, None]),
        (fields.Deviation, [0, 0.02, 3], [-1e-9, float("inf"), float("nan"), 10**400, "x"]),
        (fields.Amount, [None, -1.5, 20], ["20", True, float("nan"), [1]]),
        (fields.Flag, [True, False], [0, 1, "true", None]),
        (fields.Text, [None, "", "x"], [1, ["x"]]),
        (fields.TokenId, [None, 0, 5, -1], [True, 1.0, "2", [2]]),
        (fields.TokenIds, [None, 2, [2, 3], (2,), []], [True, [2, "3"], "2", 2.0]),
        (fields.Activation, ["gelu", "swish"], ["gulu", "", None, len]),
        (fields.ProblemType, [None, "regression"], ["guessing", 1]),
    ],
)
def test_a_kind_takes_what_it_says(kind, right, wrong):
    check = check_of(kind)
    assert [value for value in right if not check.accepts(value)] == []
    assert [value for value in wrong if check.accepts(value)] == []


def test_a_fault_names_the_field_what_is_wanted_and_what_came():
    fault = check_of(fields.Probability).fault("dropout", 2)
    assert fault == "`dropout` must be a number from 0 to 1, but is 2."
    assert check_of(fields.Probability).fault("dropout", 0.1) is None


def test_a_number_too_long_for_python_to_show_is_refused_all_the_same():
    fault = check_of(fields.Size).fault("d_model", 10**5000)
    assert fault == "`d_model` must be a whole number from 1 to 16777216, but is a number of very many digits."


def test_an_enormous_value_does_not_make_an_enormous_message():
    fault = check_of(fields.Size).fault("d_model", list(range(10_000)))
    assert fault is not None
    assert len(fault) < 200


def test_every_activation_a_config_may_name_is_defined():
    assert set(ACTIVATIONS) == set(activations.ACTIVATIONS)


def test_an_alias_reads_and_writes_the_first_name():
    class Box:
        width = 3
        breadth = Alias("width")

    box = Box()
    assert box.breadth == 3
    box.breadth = 5
    assert box.width == 5
