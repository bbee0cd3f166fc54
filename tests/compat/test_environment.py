"""What is told of the surroundings is so."""

from importlib.util import find_spec

import pytest

from bartleby.compat import environment


@pytest.mark.parametrize("library", ["torch", "accelerate", "tokenizers"])
def test_libraries_that_are_there_are_told(library):
    assert getattr(environment, f"is_{library}_available")() == (find_spec(library) is not None)


@pytest.mark.parametrize(("wing", "libraries"), [("tf", ["tensorflow"]), ("flax", ["jax", "flax"])])
def test_wings_are_told_where_their_framework_is(wing, libraries, monkeypatch):
    told = getattr(environment, f"is_{wing}_available")
    assert told() == all(find_spec(library) is not None for library in libraries)
    monkeypatch.setattr(environment, "find_spec", lambda name: None if name == libraries[-1] else object())
    assert not told()
    monkeypatch.setattr(environment, "find_spec", lambda name: object())
    assert told()
