"""A model on held-out texts: figures on a sample of a file, and what is needed to get the same ones again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bartleby import __version__
from bartleby.documents import write_whole
from bartleby.errors import OptionError, raise_all
from bartleby.generation.resolution import resolve_options
from bartleby.lab.evaluating.answers import measure_answers
from bartleby.lab.evaluating.chat import measure_chat
from bartleby.lab.evaluating.labels import labelled_for, measure_labels
from bartleby.lab.evaluating.model import Measured, Model, Request, Sampling, Watch
from bartleby.lab.evaluating.summaries import measure_summaries
from bartleby.measure.metrics import METRICS
from bartleby.tasks import chat, summarize
from bartleby.tasks.batches import Writing
from bartleby.training.corpora import Reading, read_records
from bartleby.training.records import as_dialogue, as_pair, as_question

TASKS: dict[str, Callable[[Model, Sequence[Any], Request], Measured]] = {
    "chat": measure_chat,
    "summarize": measure_summaries,
    "classify": measure_labels,
    "answer": measure_answers,
}
EMBEDDED = {"chat": chat.EMBEDDED, "summarize": summarize.EMBEDDED}
"""What is measured where no model is named."""
WRITING = tuple(EMBEDDED)


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured, and on what."""

    task: str
    data: Path
    model: str | None = None
    backend: str = "auto"
    limit: int | None = 500
    """Examples in the sample; None for all of the file."""
    seed: int = 0
    """Of the sample, of the candidates and of sampling."""
    style: str | None = None
    """Of summaries, if the model knows several."""
    baselines: bool = False
    known: Path | None = None
    """Records that baselines learn from, such as the training file; else the other records of the same file."""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    """Decoding options put over the checkpoint's own."""
    on_bad_record: str = "stop"

    def check(self) -> None:
        """Raises: OptionError with everything that cannot be."""
        raise_all(OptionError, list(self._faults()), "evaluate")

    @property
    def model_name(self) -> str:
        return self.model if self.model is not None else EMBEDDED[self.task]

    def _faults(self) -> Iterator[str]:
        if self.task not in TASKS:
            yield f"The task must be one of {', '.join(TASKS)}, but is {self.task!r}."
            return
        if self.model is None and self.task not in EMBEDDED:
            yield f"`model` must be given, for there is no embedded one for {self.task}."
        for name, path in (("data", self.data), ("known", self.known)):
            if path is not None and not path.is_file():
                yield f"`{name}` must be a file, but {path} is none."
        if self.limit is not None and self.limit < 1:
            yield f"`limit` must be at least 1, or left out for all, but is {self.limit}."
        if self.seed < 0:
            yield f"`seed` must be at least 0, but is {self.seed}."
        if self.style is not None and self.task != "summarize":
            yield f"`style` must be left out for {self.task}, for it is of summaries, but is {self.style!r}."
        if self.decoding and self.task not in WRITING:
            yield f"`decoding` must be left out for {self.task}, which writes nothing, but is {dict(self.decoding)}."
        if self.on_bad_record not in ("stop", "skip"):
            yield f"`on_bad_record` must be stop or skip, but is {self.on_bad_record!r}."


@dataclass
class Evaluation:
    """What was measured, and how."""

    options: EvaluateOptions
    backend: str
    decoding: dict[str, Any]
    """Every decoding option that differs from the library's defaults."""
    measured: Measured
    skipped: int
    """Bad records."""
    seconds: float

    @property
    def examples(self) -> int:
        return len(self.measured.outputs)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values: the figures by name, and all that is needed to get them again."""
        options, measured = self.options, self.measured
        return {
            "task": options.task,
            "model": options.model_name,
            "backend": self.backend,
            "data": str(options.data),
            "examples": self.examples,
            "limit": options.limit,
            "seed": options.seed,
            **plain(measured.figures),
            **({"baselines": plain(measured.baselines)} if measured.baselines else {}),
            **({"known": str(options.known)} if measured.baselines and options.known else {}),
            "facts": {**measured.facts, "skipped_records": self.skipped},
            **({"decoding": plain(self.decoding)} if options.task in WRITING else {}),
            "seconds": round(self.seconds, 1),
            "bartleby_version": __version__,
        }

    def rows(self) -> Iterator[tuple[str, str, list[float | None]]]:
        """Name, meaning, and the figures of the model and of every baseline, which may lack some."""
        columns = [self.measured.figures, *self.measured.baselines.values()]
        names = dict.fromkeys(name for column in columns for name in column)
        for name in names:
            metric = METRICS.get(name)
            meaning = f"{metric.meaning} ({metric.direction} is better)" if metric else "words and marks"
            yield name, meaning, [column.get(name) for column in columns]


def evaluate(options: EvaluateOptions, watch: Watch = lambda *_: None) -> Evaluation:
    """Measure a model; `watch` is told what is being done and how far it is.

    Raises: OptionError for options that cannot be, HubError or CheckpointError if the model cannot be loaded,
        ConfigError if it is none for the task, DataError for records that cannot be measured on.
    """
    options.check()
    started = time.perf_counter()
    model = Model.open(options.model_name, options.backend)
    reading = Reading()
    records = records_of(options, options.data, model, reading)
    writing = None
    if options.task in WRITING:
        chosen = resolve_options(model.backend.generation_config, options.decoding)
        writing = Writing(chosen, options.seed if chosen.do_sample else None)
    request = Request(
        Sampling(options.limit, options.seed),
        writing,
        options.style,
        options.baselines,
        records_of(options, options.known, model, Reading()) if options.known and options.baselines else None,
        watch,
    )
    measured = TASKS[options.task](model, records, request)
    decoding = writing.options.to_diff_dict() if writing is not None else {}
    seconds = time.perf_counter() - started
    return Evaluation(options, model.backend.name, decoding, measured, reading.refused, seconds)


def records_of(options: EvaluateOptions, path: Path, model: Model, reading: Reading) -> list[Any]:
    """The records of a file, in the shape of the task.

    Raises: DataError for what is none, unless such are skipped.
    """
    shapes: dict[str, Callable[[Any], Any]] = {
        "chat": as_dialogue,
        "summarize": as_pair,
        "classify": partial(labelled_for, model),
        "answer": as_question,
    }
    on_bad_record: Any = options.on_bad_record
    return list(read_records([path], shapes[options.task], reading, on_bad_record))


def write_outputs(path: Path, evaluation: Evaluation) -> None:
    """What the model said to each example, one JSON line each."""
    lines = [json.dumps(plain(output), ensure_ascii=False) for output in evaluation.measured.outputs]
    write_whole(path, "".join(f"{line}\n" for line in lines))


def plain(value: Any) -> Any:
    """As JSON can say it, which has no infinity and no nan: they become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value
