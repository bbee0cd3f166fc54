from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.training.journal import Journal, latest, smoothed

STEP = {"loss": 2.5, "terms": {"likelihood": 2.5}, "examples": 4}


def test_figures_come_back_by_kind_without_a_line_cut_short(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.figures("step") == []
    journal.log("step", {"loss": 2.5})
    journal.log("data", {"told": "…"})
    with journal.file.open("ab") as file:
        file.write('{"kind": "step", "told": "…'.encode()[:-1])  # in the middle of a character
    [step] = journal.figures("step")
    assert step["loss"] == 2.5
    assert step["time"] > 0
    journal.log("step", {"loss": 2.0})
    assert [line["loss"] for line in journal.figures("step")] == [2.5, 2.0]


def test_lines_that_are_no_figures_are_passed_over(tmp_path: Path) -> None:
    Journal(tmp_path).file.write_text('3\n[]\n{"no": "kind"}\n\n{"kind": "step", "step": 1}\n')
    assert Journal(tmp_path).figures("step") == [{"kind": "step", "step": 1}]


def test_only_one_of_several_processes_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path, writes=False)
    journal.log("step", {"step": 1, **STEP})
    journal.open_board(0)
    assert journal.draw("perplexity") is None
    assert list(tmp_path.iterdir()) == []


def test_of_steps_taken_twice_the_last_counts() -> None:
    lines = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    assert latest(lines) == [lines[0], lines[2]]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=500), st.integers(1, 50))
def test_a_smoothed_curve_has_the_same_mean(values: list[float], parts: int) -> None:
    pieces = smoothed(values, parts)
    assert len(pieces) <= parts
    assert [place for place, _ in pieces] == sorted(place for place, _ in pieces)
    if len(values) % len(pieces) == 0:
        assert sum(mean for _, mean in pieces) / len(pieces) == pytest.approx(sum(values) / len(values), abs=1e-9)


def test_the_loss_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    journal = Journal(tmp_path)
    assert journal.draw("perplexity") is None
    for step in range(1, 6):
        journal.log("step", {"step": step, **STEP})
    journal.log("validation", {"step": 5, "perplexity": 30.0})
    drawn = journal.draw("perplexity")
    assert drawn is not None
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss.png", "metrics.jsonl"]


def test_tensorboard_is_told_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    journal = Journal(tmp_path)
    journal.open_board(0)
    journal.log("step", {"step": 3, **STEP})
    journal.log("start", {"device": "cpu"})
    journal.close()
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"step/loss", "step/terms/likelihood"} <= set(board.Tags()["scalars"])
    [event] = board.Scalars("step/loss")
    assert (event.step, event.value) == (3, 2.5)
