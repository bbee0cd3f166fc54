import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from bartleby.training import pace
from bartleby.training.chat_run import ChatRun
from bartleby.training.trainer import StepReport
from tests.cli.conftest import Ran
from tests.training.tiny import CHANGES, write_corpora

Bartleby = Callable[..., Ran]


@pytest.fixture(autouse=True)
def fresh_accelerate() -> Iterator[None]:
    """Whatever precision this process trained in before is forgotten."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    """A training of seconds, without its length."""
    data = write_corpora(tmp_path / "data")
    changes = [part for change in CHANGES for part in ("--change", change)]
    return [
        *("train", "chat", "--data", data, "--run-dir", tmp_path / "run"),
        *("--batch-tokens", 120, "--precision", "no", "--warmup-steps", 1, *changes),
    ]


def test_a_run_prints_where_its_model_is_and_nothing_else(bartleby: Bartleby, command: list[object]) -> None:
    ran = bartleby(*command, "--steps", 3)
    assert ran.code == 0, ran.err
    folder = Path(ran.out.strip())
    assert folder.name == "step-00000003"
    assert (folder / "model.safetensors").is_file()
    assert "16 dialogues gave 40 examples" in ran.err
    assert "step 3 of 3: loss" in ran.err
    assert "Validation perplexity: " in ran.err


def test_a_finished_run_can_be_exported_at_once_or_later(
    bartleby: Bartleby, command: list[object], tmp_path: Path
) -> None:
    ran = bartleby(*command, "--steps", 2, "--export", tmp_path / "one")
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'one'}\n"), ran.err
    ran = bartleby("train", "export", tmp_path / "run", tmp_path / "two")
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'two'}\n"), ran.err
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == (
        tmp_path / "two" / "model.safetensors"
    ).read_bytes()
    assert (tmp_path / "two" / "README.md").read_text().startswith("---\nlibrary_name: bartleby\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_saves_and_says_how_to_go_on(
    bartleby: Bartleby, command: list[object], monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    steps = ChatRun.steps

    def interrupted(run: ChatRun) -> Iterator[StepReport]:
        for report in steps(run):
            if report.step == 2:
                signal.raise_signal(number)
            yield report

    monkeypatch.setattr(ChatRun, "steps", interrupted)
    handler = signal.getsignal(number)
    ran = bartleby(*command, "--steps", 4)
    assert (ran.code, ran.out) == (code, "")
    assert "Stopped after step 2, which is saved. The same command goes on from there." in ran.err
    assert signal.getsignal(number) is handler
    ran = bartleby(*command, "--steps", 4)
    assert ran.code == 0
    assert "Going on after step 2 of 4." in ran.err


def test_minutes_become_steps_once(
    bartleby: Bartleby, command: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pace, "seconds_a_step", lambda options: 20.0)
    ran = bartleby(*command, "--minutes", 1)
    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["steps"] == 3
    ran = bartleby(*command, "--minutes", 50)
    assert "`--minutes` does not change that" in ran.err
    assert Path(ran.out.strip()).name == "step-00000003"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "Exactly one of `--steps` and `--minutes`"),
        (["--steps", 2, "--minutes", 1], 2, "Exactly one of `--steps` and `--minutes`"),
        (["--steps", 0], 2, "`steps` must be at least 1, but is 0"),
        (["--steps", 1, "--optimizer", "sgd"], 2, "`optimizer` must be one of muon, adamw, adafactor, but is 'sgd'"),
        (["--steps", 1, "--batch-tokens", 5], 2, "`batch_tokens` must be at least"),
        (["--steps", 1, "--change", "heads=3"], 2, "'heads=3'"),
        (["--steps", 1, "--validation", "poems"], 2, "'poems' has none"),
        (["--steps", 1, "--leave-out", "*"], 1, "has no file NAME.train"),
        (["--steps", 1, "--change", "d_model=15"], 1, "d_model"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    bartleby: Bartleby, command: list[object], options: list[object], code: int, message: str
) -> None:
    ran = bartleby(*command, *options)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err.splitlines()[-1]


def test_export_needs_a_run(bartleby: Bartleby, tmp_path: Path) -> None:
    ran = bartleby("train", "export", tmp_path, tmp_path / "out")
    assert (ran.code, ran.out) == (1, "")
    assert "must be the folder of a run" in ran.err


def test_data_must_be_given(bartleby: Bartleby) -> None:
    ran = bartleby("train", "chat", "--steps", 3)
    assert (ran.code, ran.out) == (2, "")
    assert "--data" in ran.err
