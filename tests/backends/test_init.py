"""Backends by name: which there are, which is taken, and what is refused."""

from pathlib import Path

import pytest

from bartleby import backends, errors
from bartleby.backends import BACKENDS, open_backend
from bartleby.errors import HubError, MissingExtraError, OptionError

FRAMEWORKS = {"pytorch": ("torch",), "flax": ("jax", "flax"), "tensorflow": ("tensorflow", "keras"), "plain": ()}
EXTRAS = {"pytorch": "torch", "flax": "flax", "tensorflow": "tensorflow"}


def need(backend: str) -> None:
    for module in FRAMEWORKS[backend]:
        pytest.importorskip(
            module, reason=f"the {backend} backend is not installed: pip install 'bartleby[{EXTRAS[backend]}]'"
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_opens_a_checkpoint_and_writes_the_same(tiny_chat: Path, backend: str) -> None:
    need(backend)
    sources = [[5, 9, 17, 2], [8, 2]]
    opened, plain = open_backend(tiny_chat, backend), open_backend(tiny_chat, "plain")
    assert opened.name == backend
    written = opened.generate(sources, opened.generation_config)
    expected = plain.generate(sources, plain.generation_config)
    assert [[each.ids for each in found] for found in written] == [[each.ids for each in found] for found in expected]
    assert opened.score(sources, [[7, 2], [4, 3, 2]]) == [
        pytest.approx(row, abs=1e-4) for row in plain.score(sources, [[7, 2], [4, 3, 2]])
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_checkpoint_that_is_not_there_is_told(tmp_path: Path, backend: str) -> None:
    need(backend)
    with pytest.raises(HubError):
        open_backend(tmp_path / "nothing", backend)


def test_what_is_no_backend_is_refused_by_naming_those_there_are() -> None:
    with pytest.raises(OptionError, match="`backend` must be auto, pytorch, flax, tensorflow or plain, but is 'tpu'"):
        open_backend("anything", "tpu")


@pytest.mark.parametrize(("first", "missing"), [("flax", ("torch",)), ("tensorflow", ("torch", "jax"))])
def test_the_first_that_is_installed_is_taken(
    first: str, missing: tuple[str, ...], tiny_chat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(first)
    there = backends.find_spec
    monkeypatch.setattr(backends, "find_spec", lambda name: None if name in missing else there(name))
    assert open_backend(tiny_chat).name == first


def test_without_a_framework_the_definition_runs(tiny_chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert open_backend(tiny_chat).name == "plain"


@pytest.mark.parametrize(("backend", "extra"), EXTRAS.items())
def test_a_backend_without_its_framework_says_what_to_install(
    backend: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(errors.EXTRA_MODULES, extra, ("no_such_module",))
    with pytest.raises(MissingExtraError, match=rf'The {backend} backend needs .* "bartleby\[{extra}\]"'):
        open_backend("anything", backend)
