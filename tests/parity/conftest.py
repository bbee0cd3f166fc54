"""Lets the tests here import the modules beside them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def quiet() -> Iterator[None]:
    """Without the reference library's advice."""
    transformers = pytest.importorskip("transformers", reason="needs the reference library: pip install transformers")
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.set_verbosity(level)
