"""What is told of the surroundings is so."""

from importlib.util import find_spec

import pytest

from bartleby.compat import environment


@pytest.mark.parametrize("library", ["torch", "accelerate", "tokenizers"])
def test_libraries_that_are_there_are_told(library):
    assert getattr(environment, f"is_{library}_available")() == (find_spec(library) is not None)


def test_wings_that_are_not_here_are_told():
    assert not environment.is_tf_available()
    assert not environment.is_flax_available()
