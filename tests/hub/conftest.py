"""A cache of random weights in place of the hub's, for tests that run what is written for the published checkpoints."""

from __future__ import annotations

import pytest

from tests.hub import random_hub


@pytest.fixture(scope="session")
def cache(tmp_path_factory, shared):
    folder = tmp_path_factory.mktemp("hub")
    random_hub.fill_cache(folder, shared / "vocab")
    return folder


@pytest.fixture
def random_checkpoints(cache, monkeypatch):
    """Published names mean those of random weights."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
