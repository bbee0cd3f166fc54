"""What two processes do in the test of runs: torchrun … run_together.py DATA FOLDER; each writes what it saw."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bartleby.training.cadence import RunOptions
from bartleby.training.run import Run
from tests.training.tiny import tiny_recipe, tiny_training

STEPS, STOPPED = 6, 3
OPTIONS = RunOptions(checkpoint_steps=2, validation_steps=2, quick_validation=5)


def main(data: Path, folder: Path) -> None:
    """Train until one of both is asked to stop; take the run up, and end it."""
    rank, told = int(os.environ["RANK"]), []
    losses = []
    for part in ("first", "second"):
        run = Run(tiny_recipe(data), tiny_training(STEPS), OPTIONS, folder / "run", told.append)

        def is_stopped(run: Run = run, part: str = part) -> bool:
            return rank == 1 and part == "first" and run.trainer.step == STOPPED

        losses.append([report.loss for report in run.steps(is_stopped)])
        last = run.save()
        run.close()
        run.processes.wait_for_everyone()
    figures = run.validate()
    seen = {"losses": losses, "told": told, "last": last.name, "perplexity": figures["perplexity"]}
    (folder / f"{rank}.json").write_text(json.dumps(seen))
    run.trainer.accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
