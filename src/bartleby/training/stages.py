"""Where a model comes from: the runs that taught it, one after another, from the logs they left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bartleby.documents import write_whole
from bartleby.errors import CheckpointError
from bartleby.training.journal import Journal, latest
from bartleby.training.runs import STAGES, RunFolder, run_and_step

FIRST_NAMES = {"optimizer_name": "optimizer"}
PREFIXES = ("optimizer_", "chat_", "model_")
"""How the first trainer's recipe.json named what has the bare name today."""

OF_A_LINE = ("kind", "time", "dialogues")


@dataclass(frozen=True)
class Stage:
    """One run that taught a model, up to the checkpoint that the next one took further."""

    name: str
    kind: str = ""
    """The kind of training; empty for a checkpoint that no run of ours is known of."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    """What became of the corpora: `records` by name, `examples` and more."""
    step: int = 0
    minutes: float = 0.0
    examples: int = 0
    """Seen, repeated ones counted again; so are tokens."""
    tokens: int = 0
    machines: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    """The last validation up to there."""


def stages_before(model: str | None) -> list[Stage]:
    """The stages of what a run starts from: a run, a checkpoint of one, or any other checkpoint; oldest first."""
    if model is None:
        return []
    found = run_and_step(model)
    if found is None:
        return [Stage(Path(model).name or model)]
    return all_stages(*found)


def all_stages(run: RunFolder, step: int) -> list[Stage]:
    """The stages of the checkpoint that `run` wrote after `step`, its own the last."""
    return [*read_stages(run.path), own_stage(run, step)]


def own_stage(run: RunFolder, step: int) -> Stage:
    """What `run` itself has done up to `step`.

    The minutes are all that were spent: steps that a kill lost, and that were taken again, are among them.
    """
    journal = Journal(run.path, writes=False)
    recipe, taken = run.recipe or {}, [line for line in journal.figures("step") if line["step"] <= step]
    seen = latest(taken)
    data = next(iter([*journal.figures("data"), *journal.figures("corpora")][-1:]), {})
    measured = [line for line in journal.figures("validation") if line["step"] <= step]
    return Stage(
        name=run.path.resolve().name,
        kind=recipe.get("kind", "chat"),
        recipe=in_todays_names(recipe),
        data={"records": data.get("dialogues", {}), **{name: data[name] for name in data if name not in OF_A_LINE}},
        step=step,
        minutes=round(sum(line["seconds"] for line in taken) / 60, 1),
        examples=sum(line["examples"] for line in seen),
        tokens=sum(line["tokens"] for line in seen),
        machines=tuple(dict.fromkeys(machine(line) for line in journal.figures("start"))),
        figures=measured[-1] if measured else {},
    )


def machine(start: Mapping[str, Any]) -> str:
    """Where a run was started, in words, from its line in the log."""
    device = start.get("name") or start["device"]
    several = f", {start['processes']} processes" if start.get("processes", 1) > 1 else ""
    return f"{start['threads']} of {start['cores']} cores ({device}{several})"


def in_todays_names(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe of the first trainer under the names that options have now; any other as it is."""
    if "kind" in recipe:
        return dict(recipe)
    named = {}
    for name, value in recipe.items():
        prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
        if name != "chat_seed":
            named[FIRST_NAMES.get(name, name.removeprefix(prefix))] = value
    return {"kind": "chat", **named}


def read_stages(folder: Path) -> list[Stage]:
    """The stages before a run, as `write_stages` left them in its folder.

    Raises: CheckpointError if they cannot be read.
    """
    try:
        lines: Sequence[Mapping[str, Any]] = json.loads((folder / STAGES).read_text("utf-8"))
        return [Stage(**{**line, "machines": tuple(line["machines"])}) for line in lines]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as fault:
        raise CheckpointError(f"{folder / STAGES} cannot be read: {fault}. Delete it; the card will miss it.") from None


def write_stages(folder: Path, stages: Sequence[Stage]) -> None:
    """Keep what a run starts from: the other run may go on, or be gone, when this one is told of."""
    text = json.dumps([asdict(stage) for stage in stages], indent=2, ensure_ascii=False)
    write_whole(folder / STAGES, text + "\n")
