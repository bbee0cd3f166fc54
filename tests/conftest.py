"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.parity.tally import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown  # noqa: F401  hooks

# A busy machine is no fault of the code: how long one example takes decides nothing.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of outside cases, vocabularies and texts beside the checkout; tests that need it skip without it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared (outside test cases, vocabularies and texts), which is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def tiny_chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat checkpoint of random weights: what it says is noise, how it is run is not. Do not write into it."""
    from tests.tiny_chat import save_tiny_chat

    return save_tiny_chat(tmp_path_factory.mktemp("tiny-chat"))


@pytest.fixture(scope="session")
def tiny_summarizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A summary checkpoint of random weights, with the styles title and summary. Do not write into it."""
    from tests.tiny_summarizer import save_tiny_summarizer

    return save_tiny_summarizer(tmp_path_factory.mktemp("tiny-summarizer"))
