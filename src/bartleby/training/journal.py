"""What a run says of itself: a line of figures a step and a validation, for TensorBoard too, and the loss drawn."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bartleby.errors import need_extra

METRICS_FILE = "metrics.jsonl"
PLOT = "loss.png"
ENDED = "end"
"""The kind of line that says why a run ended before its last step."""
SMOOTHED_OVER = 200
"""Parts of a curve that are drawn; each is the mean of what is in it."""

Line = dict[str, Any]


class Journal:
    """The figures of the run in `folder`; of several processes only one writes."""

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self.folder, self.writes = folder, writes
        self._board: Any = None

    @property
    def file(self) -> Path:
        return self.folder / METRICS_FILE

    def log(self, kind: str, figures: Mapping[str, Any]) -> None:
        """Append one line of figures; numbers of a step or a validation also go to TensorBoard, if that is open."""
        if not self.writes:
            return
        line = json.dumps({"kind": kind, "time": round(time.time(), 2), **figures}, ensure_ascii=False)
        with self.file.open("ab+") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) and file.read(1) != b"\n":
                file.write(b"\n")  # a kill cut the last line short
            file.write(line.encode() + b"\n")
        if self._board is not None and "step" in figures:
            for name, value in _numbers(figures).items():
                self._board.add_scalar(f"{kind}/{name}", value, figures["step"])

    def figures(self, kind: str) -> list[Line]:
        """The lines of one kind logged so far; one that a kill cut short is left out."""
        lines = []
        for line in self.file.read_bytes().splitlines() if self.file.exists() else []:
            with suppress(ValueError):  # also for half a character
                lines.append(json.loads(line))
        return [line for line in lines if isinstance(line, dict) and line.get("kind") == kind]

    def open_board(self, step: int) -> None:
        """Log for TensorBoard too, from `step` on; what was logged after it counts no more.

        Raises: MissingExtraError if it is not installed.
        """
        if self.writes and self._board is None:
            need_extra("log", "Logging for TensorBoard")
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1)

    def close(self) -> None:
        """Write what TensorBoard still has in memory."""
        if self._board is not None:
            self._board.close()
            self._board = None

    def draw(self, metric: str) -> Path | None:
        """Draw the loss and `metric` over the steps as PNG; None if there is no step, or only others write.

        Raises: MissingExtraError if matplotlib is not installed.
        """
        steps, validations = latest(self.figures("step")), latest(self.figures("validation"))
        if not self.writes or not steps:
            return None
        target = self.folder / PLOT
        draft = target.with_name(f".{PLOT}.{os.getpid()}.png")
        try:
            draw_curves(draft, steps, [line for line in validations if metric in line], metric)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return target


def latest(lines: Sequence[Line]) -> list[Line]:
    """One line a step, in their order: a run that was taken up has taken some steps twice, and the last ones count."""
    found = {line["step"]: line for line in lines}
    return [found[step] for step in sorted(found)]


def smoothed(values: Sequence[float], parts: int = SMOOTHED_OVER) -> list[tuple[float, float]]:
    """A long row of values as the places and means of at most `parts` equal pieces."""
    width = max(1, -(-len(values) // parts))
    pieces = [values[start : start + width] for start in range(0, len(values), width)]
    return [(place * width + (len(piece) - 1) / 2, sum(piece) / len(piece)) for place, piece in enumerate(pieces)]


def draw_curves(path: Path, steps: Sequence[Line], validations: Sequence[Line], metric: str) -> None:
    """Loss on the left, `metric` on the right."""
    need_extra("log", "Drawing the loss")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    places, means = zip(*smoothed([line["loss"] for line in steps]), strict=True)
    first = steps[0]["step"]
    axes.plot([first + place for place in places], means, label="loss", color="tab:blue")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    handles = list(axes.get_lines())
    if validations:
        right = axes.twinx()
        where = [line["step"] for line in validations]
        handles += right.plot(where, [line[metric] for line in validations], "o-", color="tab:orange", label=metric)
        right.set_ylabel(f"validation {metric}")
    axes.legend(handles=handles)
    figure.savefig(path, dpi=120)


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line by name, those inside an object too; the step itself is none."""
    found: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found |= {f"{name}/{inner}": number for inner, number in _numbers(value).items()}
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "step":
            found[name] = value
    return found
