from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small dialogue corpora. Do not write into it."""
    from tests.training.tiny import write_corpora

    return write_corpora(tmp_path_factory.mktemp("corpora"))


@pytest.fixture(scope="session")
def finished_run(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that took all its steps. Do not write into it."""
    from tests.training.tiny import tiny_run

    path = tmp_path_factory.mktemp("run")
    run = tiny_run(corpora, path, steps=6)
    list(run.steps())
    run.finish()
    return path
