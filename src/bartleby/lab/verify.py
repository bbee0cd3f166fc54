"""A checkpoint run in every way there is: which agree, and how closely."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from bartleby.errors import BartlebyError, OptionError, raise_all
from bartleby.lab.checks import Check, Report
from bartleby.lab.decodings import AREA as DECODING
from bartleby.lab.decodings import PLAIN_TOKENS, decoding_checks, half_check, modes_of, plain_check
from bartleby.lab.files import AREA as FILES
from bartleby.lab.files import file_checks
from bartleby.lab.outputs import AREA as FORWARD
from bartleby.lab.outputs import Table, beside, output_checks, shape_checks
from bartleby.lab.reference_library import AREA as LIBRARY
from bartleby.lab.reference_library import reference_checks
from bartleby.lab.sides import PlainSide, Side, TorchSide, device_fault
from bartleby.lab.subject import RANDOM_LENGTHS, WRITERS, Subject
from bartleby.lab.texts import AREA as TOKENIZER
from bartleby.lab.texts import text_checks
from bartleby.lab.wings import wing_checks

AREAS = (FILES, TOKENIZER, FORWARD, DECODING, LIBRARY)
NO_TORCH = 'not installed: pip install "bartleby[torch]"'
HALVES = ("bfloat16", "float16")
LARGE = 300_000_000
"""Parameters from which float64 would take too much memory, and the definition too long to search with."""


@dataclass(frozen=True)
class VerifyOptions:
    """How thoroughly to look."""

    against: str | None = None
    """ "transformers": also beside the reference library, where it is installed."""
    texts: int = 3
    new_tokens: int = 24
    """The most that an answer may have; a shorter limit of the checkpoint stays."""
    plain_tokens: int | None = None
    """How many of them the definition writes by its own search; by size where it is None."""
    device: str = "cpu"
    seed: int = 0
    wings: bool = False
    """Also in Flax and TensorFlow, where they are installed; what they compile takes longer than all the rest."""

    def check(self) -> None:
        """Raises: OptionError with everything that cannot be."""
        faults = []
        if self.against not in (None, "transformers"):
            faults.append(f"`against` must be transformers, but is {self.against!r}.")
        if not 1 <= self.texts <= len(RANDOM_LENGTHS):
            faults.append(f"`texts` must be from 1 to {len(RANDOM_LENGTHS)}, but is {self.texts}.")
        if self.new_tokens < 1:
            faults.append(f"`new_tokens` must be at least 1, but is {self.new_tokens}.")
        if self.plain_tokens is not None and self.plain_tokens < 0:
            faults.append(f"`plain_tokens` must be at least 0, but is {self.plain_tokens}.")
        if self.against == "transformers" and find_spec("transformers") is None:
            faults.append("transformers is not installed. Run: pip install transformers")
        if find_spec("torch") is not None and (fault := device_fault(self.device)):
            faults.append(fault)
        raise_all(OptionError, faults, "verify")


def verify(name: str, options: VerifyOptions | None = None, watch: Callable[[str], None] | None = None) -> Report:
    """Look at everything; `watch` is told what comes next.

    Raises: OptionError for options that cannot be, HubError if there is no such checkpoint, CheckpointError or
        ConfigError if it has no usable config.json. All other faults are checks that differ.
    """
    options = options or VerifyOptions()
    options.check()
    say = watch or (lambda _: None)
    subject = Subject.open(name, options.texts, options.seed)
    with subject.folder:
        facts: dict[str, Any] = {
            "folder": str(subject.path),
            "model_type": subject.config.model_type,
            "head": subject.head,
        }
        report = Report(name, facts)
        say("files")
        report.add(file_checks(subject), FILES)
        report.add(text_checks(subject), TOKENIZER)
        fault = "it lacks weights" if not _is_whole(subject) else _unusable(report)
        if fault:
            report.checks.append(Check(FORWARD, "the model", "skipped", remark=f"{fault}, so it cannot be run"))
        else:
            facts["parameters"] = subject.parameters
            report.add(_running(subject, options, say), FORWARD)
    report.checks.sort(key=lambda check: AREAS.index(check.area))
    return report


def _running(subject: Subject, options: VerifyOptions, say: Callable[[str], None]) -> Iterator[Check]:
    run = Run(subject, options, say)
    yield from run.forward()
    if subject.head in WRITERS:
        yield from run.decoding()
    if options.wings:
        say("flax, tensorflow")
        modes = modes_of(subject, options.new_tokens) if subject.head in WRITERS else []
        yield from wing_checks(run.table, run.single, modes)
    if options.against:
        say(f"beside {options.against}")
        yield from reference_checks(run.table, run.single, options.new_tokens)


def _is_whole(subject: Subject) -> bool:
    try:
        return subject.is_whole
    except BartlebyError:  # unreadable, which is among the checks by now
        return False


def _unusable(report: Report) -> str:
    """Weights that are no numbers spread to every output: nothing computed with them says anything."""
    is_broken = any(check.subject == "weights" and check.verdict == "differs" for check in report.checks)
    return "its weights are not all finite numbers" if is_broken else ""


class Run:
    """The model run in all ways; what one check loaded, the next ones use."""

    def __init__(self, subject: Subject, options: VerifyOptions, say: Callable[[str], None]) -> None:
        self.subject, self.options, self.say = subject, options, say
        self.is_large = subject.parameters > LARGE
        say("the definition")
        definition = PlainSide(subject, "float32" if self.is_large else "float64")
        self.single: TorchSide | None = None
        exact: Side | None = None
        if find_spec("torch") is not None:
            say("pytorch")
            self.single = TorchSide.open(subject, "float32", options.device)
            exact = None if self.is_large else TorchSide.open(subject, "float64", options.device)
        self.table = Table(subject, definition, exact)

    def forward(self) -> Iterator[Check]:
        """Everything beside the definition, then the shapes of batches."""
        self.say("forward")
        sides = [side for side in (self.table.exact, self.single) if side is not None]
        if not self.is_large:
            sides.insert(0, PlainSide(self.subject, "float32"))
        yield from output_checks(self.table, sides)
        if self.is_large:
            remark = f"more than {LARGE:,} parameters: the definition is float32"
            yield Check(FORWARD, "float64", "skipped", remark=remark)
        if self.single is None:
            yield Check(FORWARD, "pytorch", "skipped", remark=NO_TORCH)
            return
        yield from shape_checks(self.subject, self.single)
        for dtype in HALVES:
            self.say(dtype)
            yield from self._half(dtype, self.single)
            gc.collect()  # a model in half precision is no longer needed

    def _half(self, dtype: str, single: Side) -> Iterator[Check]:
        """One precision: its outputs, and greedy answers."""
        subject = self.subject
        try:
            half = TorchSide.open(subject, dtype, self.options.device)
            outputs = half.forward(subject.sources, subject.targets)
        except RuntimeError as error:  # a device without arithmetic of this type
            yield Check(FORWARD, f"pytorch {dtype}", "skipped", remark=str(error).splitlines()[0])
            return
        yield beside(outputs, self.table.outputs, half, self.table.definition.name)
        if subject.head in WRITERS:
            yield half_check(self.table, half, single, modes_of(subject, self.options.new_tokens)[0])

    def decoding(self) -> Iterator[Check]:
        """Greedy search and the checkpoint's own options, by every cache and shape of batch."""
        tokens = self.options.plain_tokens
        if tokens is None:
            tokens = 0 if self.is_large else PLAIN_TOKENS
        if self.subject.generation_config.do_sample:
            yield Check(DECODING, "sampling", "skipped", remark="chance has nothing to agree with: compared without it")
        if self.single is None:
            yield Check(DECODING, "pytorch", "skipped", remark=NO_TORCH)
            return
        plain = self.table.definition if self.is_large else PlainSide(self.subject, "float32")
        for mode in modes_of(self.subject, self.options.new_tokens):
            self.say(mode.name)
            yield from decoding_checks(self.table, self.single, mode)
            yield plain_check(self.table, plain, self.single, mode, tokens)
