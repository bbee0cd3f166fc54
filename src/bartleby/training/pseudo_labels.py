"""What a teacher writes for the sources of a corpus, as a corpus of its own: targets that a student can learn.

Source: Kim and Rush 2016, "Sequence-Level Knowledge Distillation" (arXiv 1606.07947); Shleifer and Rush 2020 (arXiv
2010.13002), section 3.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bartleby.backends.protocol import Backend
from bartleby.errors import DataError
from bartleby.tasks.batches import Writing, best_answers
from bartleby.tasks.texts import encode_within, text_of
from bartleby.tokenization.base import PreTrainedTokenizer

AT_ONCE = 64
"""Sources between two times that the file is surely on disk."""


@dataclass
class PseudoLabelReport:
    """What became of the sources."""

    written: int = 0
    resumed: int = 0
    """Of those: found written by an earlier call that did not get to the end."""
    empty: int = 0
    """Sources that the teacher said nothing to: left out."""
    long_sources: int = 0
    """Sources that do not fit the teacher: left out."""

    def told(self) -> str:
        """All of it in one sentence."""
        again = f" ({self.resumed:,} of them before)" if self.resumed else ""
        return (
            f"the teacher wrote {self.written:,} targets{again}. "
            f"Left out: {self.long_sources:,} sources that are too long for it, and {self.empty:,} it was silent about"
        )


@dataclass(frozen=True)
class Teacher:
    """A model that writes texts from texts."""

    backend: Backend
    tokenizer: PreTrainedTokenizer
    writing: Writing
    prefix: str = ""
    """Stands before each source when the teacher reads it, but not in the file."""
    cuts: bool = True
    """Whether sources that are too long lose their end, or are left out."""

    def reads(self, source: str) -> bool:
        """Whether a source is not left out."""
        return self.cuts or not encode_within(self.tokenizer, [self.prefix + source], self.most)[0][1]

    def write(self, sources: list[str]) -> list[str]:
        """Its best answers."""
        texts = [self.prefix + source for source in sources]
        ids = [row for row, _ in encode_within(self.tokenizer, texts, self.most)]
        answers = best_answers(self.backend, ids, self.writing)
        return [text_of(self.tokenizer, answer.ids) for answer in answers]

    @property
    def most(self) -> int:
        """Tokens it can read."""
        return min(self.tokenizer.model_max_length, self.backend.config.max_position_embeddings)


def write_pseudo_labels(
    teacher: Teacher, sources: Iterable[str], path: Path, names: tuple[str, str] = ("text", "summary")
) -> PseudoLabelReport:
    """Write `path`, a line `{"text": source, "summary": what the teacher wrote}` for each source, or under other names.

    `path` is there when all of it is; until then the lines are in a hidden file beside it, and the same call goes on
    where one that was stopped left off.
    Raises: DataError if `path` is there already, or what an earlier call left is of other sources.
    """
    report = PseudoLabelReport()
    if path.exists():
        raise DataError(f"{path} must not be there yet, but is. Learn from it, or delete it first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.unfinished")
    done = _whole_lines(draft)
    with draft.open("ab") as file:
        waiting = _readable(teacher, sources, report)
        _skip(waiting, done, draft, report)
        while several := list(islice(waiting, AT_ONCE)):
            for source, target in zip(several, teacher.write(several), strict=True):
                report.written += bool(target)
                report.empty += not target
                file.write(_line(source, target))
            file.flush()
            os.fsync(file.fileno())
    _finish(draft, path, names)
    return report


def _readable(teacher: Teacher, sources: Iterable[str], report: PseudoLabelReport) -> Iterator[str]:
    for source in sources:
        if teacher.reads(source):
            yield source
        else:
            report.long_sources += 1


def _line(source: str, target: str) -> bytes:
    """Two texts as JSON: in the draft also sources without an answer have one."""
    return json.dumps([source, target], ensure_ascii=False).encode() + b"\n"


def _whole_lines(draft: Path) -> list[tuple[str, str]]:
    """What an earlier call wrote; a last line that a kill cut short is taken off the file.

    Raises: DataError if this is no such file.
    """
    if not draft.exists():
        return []
    content = draft.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        done = [(source, target) for source, target in map(json.loads, whole.splitlines())]
    except ValueError as fault:
        raise DataError(f"{draft} cannot be read: {fault}. Delete it to start anew.") from None
    os.truncate(draft, len(whole))
    return done


def _skip(waiting: Iterator[str], done: list[tuple[str, str]], draft: Path, report: PseudoLabelReport) -> None:
    """Pass over the sources that are done."""
    for source, target in done:
        if next(waiting, None) != source:
            raise DataError(f"{draft} was made of other sources. Delete it to start anew.")
        report.written += bool(target)
        report.resumed += bool(target)
        report.empty += not target


def _finish(draft: Path, path: Path, names: tuple[str, str]) -> None:
    """Make records of the sources that have an answer, and give the file its name."""
    last = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("rb") as lines, last.open("w", encoding="utf-8") as file:
            for texts in map(json.loads, lines):
                if texts[1]:
                    file.write(json.dumps(dict(zip(names, texts, strict=True)), ensure_ascii=False) + "\n")
        last.replace(path)
    finally:
        last.unlink(missing_ok=True)
    draft.unlink()
