"""Training a smaller model in the place of a larger one, on pairs of texts.

`model` is the teacher, a checkpoint; its student keeps some of its layers and all else ("shrink and fine-tune"), then
learns the targets, the teacher's probabilities and its states, each as much as is asked for. With `pseudo_labels` the
targets are what the teacher itself writes. Source: Shleifer and Rush 2020 (arXiv 2010.13002).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from bartleby.errors import OptionError
from bartleby.training.corpora import Reading, corpus_name
from bartleby.training.options import POSITIVE, Options, option
from bartleby.training.recipes.pairs import SummarizeOptions, SummarizeRecipe
from bartleby.training.recipes.recipe import ADAPTERS, Figures, ModelOptions, Setup, Tell
from bartleby.training.records import Pair

if TYPE_CHECKING:
    from bartleby.backends.pytorch.heads import ConditionalGeneration


@dataclass(frozen=True)
class DistillOptions(SummarizeOptions):
    """How small the student is, and what it learns of its teacher."""

    subject: ClassVar[str] = "The distillation's options"

    student_encoder_layers: int | None = option(None, "Layers the student's encoder keeps; else all.", least=1)
    student_decoder_layers: int | None = option(None, "Layers the student's decoder keeps; else all.", least=1)
    likelihood_share: float = option(1.0, "Weight of the targets.", metavar="X", least=0)
    logits_share: float = option(0.8, "Weight of the teacher's probabilities; 0: never asked.", metavar="X", least=0)
    hidden_share: float = option(3.0, "Weight of the teacher's states; 0: never asked.", metavar="X", least=0)
    temperature: float = option(2.0, "How much both soften their probabilities.", metavar="X", least=POSITIVE)
    pseudo_labels: Path | None = option(
        None,
        "Folder for targets by the teacher, learnt in place of the corpora's; made if need be.",
        metavar="PATH",
    )

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        if not self.likelihood_share + self.logits_share + self.hidden_share:
            yield "One of `likelihood_share`, `logits_share` and `hidden_share` must be above 0, but all are 0."
        if self.label_smoothing:
            yield f"`label_smoothing` must be 0, but is {self.label_smoothing}: the teacher smooths."


@dataclass(frozen=True)
class DistillRecipe(SummarizeRecipe):
    """A student of a checkpoint that writes."""

    kind: ClassVar[str] = "distill"
    own: ClassVar[type[Options]] = DistillOptions

    def prepare(self, folder: Path, tell: Tell) -> Figures:
        if self.model.model is None:
            raise OptionError("`model` must name the teacher, a checkpoint, but is not given.")
        labels = self._write_labels(tell)
        return {**super().prepare(folder, tell), **({"pseudo_labels": labels} if labels else {})}

    def setup(self, folder: Path) -> Setup:
        from bartleby.training.objectives.distillation import DistillationLoss, Shares
        from bartleby.training.validation.texts import WritingFigures

        teachers = replace(self, model=self._teachers_options())._as_pairs(folder)
        teacher: Any = teachers.model
        student, measure = self._student(teacher), cast(WritingFigures, teachers.measure)
        own = self.options
        shares = Shares(own.likelihood_share, own.logits_share, own.hidden_share, own.temperature)
        return replace(
            teachers,
            model=student,
            objective=DistillationLoss(student, teacher, shares),
            measure=replace(measure, model=student),
        )

    def _as_pairs(self, folder: Path) -> Setup:
        """Everything as if the teacher were to be taught itself."""
        return super().setup(folder)

    def document(self) -> dict[str, Any]:
        """Where the teacher's targets lie decides nothing, but whether they are learnt does."""
        document = super().document()
        return {**document, "pseudo_labels": self.options.pseudo_labels is not None}

    def _student(self, teacher: ConditionalGeneration) -> ConditionalGeneration:
        """Some of the teacher's layers, and what else the options ask for."""
        import torch

        from bartleby.training.freezing import freeze
        from bartleby.training.lora import add_adapters
        from bartleby.training.shrinking import shrink

        torch.manual_seed(self.seed)
        student: Any = shrink(teacher, self.options.student_encoder_layers, self.options.student_decoder_layers)
        given = self.model
        if given.lora:
            add_adapters(student, given.lora_rank, given.lora_targets, given.lora_alpha, given.lora_dropout)
        if given.freeze:
            freeze(student, given.freeze)
        return student

    def _pairs(self, paths: list[Path], reading: Reading | None = None) -> Iterator[tuple[str, Pair]]:
        """The teacher's targets in place of the training's own."""
        return super()._pairs([self._labelled().get(path, path) for path in paths], reading)

    def _labelled(self) -> dict[Path, Path]:
        """Of each file that is learnt from, where the teacher's targets for it are."""
        folder = self.options.pseudo_labels
        paths = [] if folder is None else self.learnt_files()
        return {path: folder / f"{corpus_name(path)}.train.jsonl" for path in paths if folder is not None}

    def _write_labels(self, tell: Tell) -> dict[str, Any]:
        """Let the teacher write the targets that are not there yet; returns what came of it, by corpus."""
        missing = {path: labels for path, labels in self._labelled().items() if not labels.exists()}
        if not missing:
            return {}
        from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM
        from bartleby.backends.pytorch.backend import PyTorchBackend
        from bartleby.tasks.batches import Writing
        from bartleby.training.pseudo_labels import Teacher, write_pseudo_labels
        from bartleby.training.recipes.start import starting_model, starting_tokenizer

        own, whole = self.options, replace(self, model=self._teachers_options())
        tokenizer = starting_tokenizer(whole, ())
        tokenizer.model_max_length = own.source_tokens or tokenizer.model_max_length
        backend = PyTorchBackend(starting_model(whole, AutoModelForSeq2SeqLM, tokenizer))
        if not {"max_length", "max_new_tokens"} & backend.generation_config.to_diff_dict().keys():
            backend.generation_config.max_new_tokens = own.target_tokens
        writing, names = Writing(backend.generation_config, self.seed), (own.source_field, own.target_field)
        reports = {}
        for path, labels in missing.items():
            corpus = corpus_name(path)
            teacher = Teacher(backend, tokenizer, writing, own.prefix_of(corpus), own.long_sources == "cut")
            pairs = islice(super()._pairs([path]), self.data.limit)
            report = write_pseudo_labels(teacher, (pair.source for _, pair in pairs), labels, names)
            tell(f"{labels}: {report.told()}.")
            reports[corpus] = asdict(report)
        return reports

    def _teachers_options(self) -> ModelOptions:
        """The teacher is taken as it is: what the options freeze or adapt is the student's."""
        given = self.model
        return replace(given, lora=False, freeze=(), **given.defaults_of(ADAPTERS))
