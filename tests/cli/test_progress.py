import pytest

from bartleby.cli import progress
from bartleby.cli.progress import Progress
from bartleby.training.trainer import StepReport


def report(step: int, loss: float, examples: int = 10) -> StepReport:
    return StepReport(step, loss, 1e-3, 1.0, examples, tokens=500, seconds=2.0)


def test_figures_weigh_batches_by_their_examples_and_count_down(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(0, steps=62)
    shown.show(report(1, loss=1.0, examples=30))
    shown.show(report(2, loss=5.0, examples=10))
    assert shown.figures() == "loss 2.000, 10 examples/s, 250 tokens/s, 2.0 minutes left"
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_a_line_comes_now_and_then_and_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Progress(0, steps=3) as shown:
        shown.show(report(1, 2.0))
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
        shown.show(report(2, 2.0))
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 30.0)
        shown.show(report(3, 2.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[0] for line in err.splitlines()] == ["step 2 of 3", "step 3 of 3"]


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with Progress(4, steps=8) as shown:
        shown.show(report(5, 2.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert "5/8" in err
    assert "loss 2.000" in err


def test_of_several_processes_only_the_main_one_speaks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for rank, is_main in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        assert progress.is_main_process() is is_main
        progress.say(f"from {rank}")
    assert capsys.readouterr() == ("", "from 0\n")


def test_a_progress_that_is_not_shown_stays_silent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Progress(0, steps=1, is_shown=False) as shown:
        shown.show(report(1, 2.0))
    assert capsys.readouterr() == ("", "")
