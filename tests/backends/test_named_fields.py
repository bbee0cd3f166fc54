import copy
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from bartleby.backends.named_fields import NamedFields
from bartleby.errors import OptionError


@dataclass
class Found(NamedFields):
    loss: Any = None
    logits: Any = None
    states: Any = None


def test_what_is_not_set_is_not_there() -> None:
    found = Found(logits=1, states=(2, 3))
    assert list(found) == ["logits", "states"]
    assert found.to_tuple() == (1, (2, 3))
    assert found.loss is None
    assert "loss" not in found


def test_a_field_is_found_by_name_by_key_and_by_place() -> None:
    found = Found(loss=1, logits=2)
    assert found.logits == found["logits"] == found[1] == 2
    assert found[:2] == (1, 2)


def test_a_field_set_later_is_set_everywhere() -> None:
    found = Found(loss=1)
    found.loss = 2
    assert (found[0], found["loss"]) == (2, 2)
    found["loss"] = 3
    assert (found.loss, found[0]) == (3, 3)


def test_one_mapping_or_pairs_are_the_fields_themselves() -> None:
    assert Found({"loss": 1, "states": 2}).to_tuple() == (1, 2)
    assert Found(iter([("logits", 1)])).logits == 1
    assert Found({"other": 1}).loss == {"other": 1}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_copies_are_of_the_same_class(again) -> None:
    other = again(Found(logits=1))
    assert type(other) is Found
    assert other == Found(logits=1)


@pytest.mark.parametrize(
    "change", [lambda f: f.pop("loss"), lambda f: f.update(loss=2), lambda f: f.setdefault("a", 1)]
)
def test_fields_stay(change) -> None:
    with pytest.raises(OptionError, match="does not work on Found"):
        change(Found(loss=1))
    with pytest.raises(OptionError, match="does not work on Found"):
        del Found(loss=1)["loss"]
