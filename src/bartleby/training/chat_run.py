"""One training run of a chat model, from a folder of dialogues to a checkpoint that holds a conversation."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import OptionError, raise_all
from bartleby.family.config import PreTrainedConfig, config_from_dict
from bartleby.family.presets import PRESETS
from bartleby.generation.config import GenerationConfig
from bartleby.measure.perplexity import Perplexity, perplexity
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from bartleby.training.chat import ChatExamples, ChatRecipe
from bartleby.training.collation import Batches, Padding, PairCollation
from bartleby.training.corpora import OnBadRecord, Reading, corpus_files, corpus_name, read_dialogues
from bartleby.training.objectives.likelihood import TargetLoss, target_log_probs
from bartleby.training.runs import RunFolder
from bartleby.training.settings import TrainingOptions
from bartleby.training.store import Examples
from bartleby.training.trainer import StepReport, Trainer

PRESET = "bartleby-chat-mini"
VALIDATION_SEED = 0

Say = Callable[[str], None]


@dataclass(frozen=True)
class ChatRunOptions:
    """What a run is made of; equal options on equal files make equal runs."""

    data: Path
    training: TrainingOptions
    chat: ChatRecipe = field(default_factory=ChatRecipe)
    batch_tokens: int = 5000
    leave_out: tuple[str, ...] = ()
    """Patterns of corpus names not to learn from."""
    validation: str | None = None
    """The corpus whose `valid` split is measured on; None for all that are learnt from."""
    validation_examples: int = 3000
    on_bad_record: OnBadRecord = "stop"
    changes: tuple[str, ...] = ()
    """Fields of the preset's config to train with other values: `("d_model=512",)`."""

    def __post_init__(self) -> None:
        faults = []
        if self.on_bad_record not in ("stop", "skip"):
            faults.append(f"`on_bad_record` must be stop or skip, but is {self.on_bad_record!r}.")
        if self.validation_examples < 1:
            faults.append(f"`validation_examples` must be at least 1, but is {self.validation_examples}.")
        raise_all(OptionError, faults, "The run's options")

    def recipe(self) -> dict[str, Any]:
        """What must be the same for a run to be taken up again."""
        files = corpus_files(self.data, "train", self.leave_out)
        return {
            "preset": PRESET,
            **{f"model_{name}": value for name, value in changes_of(self).items()},
            "corpora": {corpus_name(path): path.stat().st_size for path in files},
            "batch_tokens": self.batch_tokens,
            "validation": self.validation,
            "validation_examples": self.validation_examples,
            "on_bad_record": self.on_bad_record,
            **{f"chat_{name}": value for name, value in asdict(self.chat).items()},
            **self.training.document(),
        }


class ChatRun:
    """A run and its folder; made anew, or taken up where its newest checkpoint stands.

    Raises: OptionError if the folder holds a run of another recipe; DataError for corpora that cannot be learnt from.
    """

    def __init__(self, options: ChatRunOptions, path: Path, say: Say) -> None:
        self.options, self.say = options, say
        self.folder = RunFolder(path)
        self.folder.settle(options.recipe())
        self.tokenizer, training_pairs, self.validation_pairs = self._texts()
        self.model = new_model(self.tokenizer, options)
        batches = batches_of(training_pairs, self.model, options.batch_tokens, options.training.seed)
        self.trainer = Trainer(TargetLoss(self.model), batches.from_number, options.training)
        resumed = self.folder.restore(self.trainer, self.model)
        self._note_start()
        if resumed:
            say(f"Going on after step {self.trainer.step} of {options.training.steps}.")

    def _note_start(self) -> None:
        device, threads = self.trainer.accelerator.device.type, torch.get_num_threads()
        figures = {"step": self.trainer.step, "device": device, "threads": threads, "cores": os.cpu_count()}
        self.folder.log({"kind": "start", "time": round(time.time(), 2), **figures})

    def steps(self) -> Iterator[StepReport]:
        """Take the steps that are left; each is logged."""
        for report in self.trainer.run():
            self.folder.log({"kind": "step", "time": round(time.time(), 2), **asdict(report)})
            yield report

    def save(self) -> Path:
        """Write a checkpoint now; returns its folder."""
        return self.folder.save(self.trainer, self.model, self.tokenizer)

    def validate(self, examples: int | None = None) -> Perplexity:
        """Perplexity on the first `examples` validation replies, or on all, in the precision of training."""
        pairs = self.validation_pairs.first(examples)
        with self.trainer.precision.autocast():
            figure = model_perplexity(self.model, pairs)
        self.folder.log(
            {
                "kind": "validation",
                "time": round(time.time(), 2),
                "step": self.trainer.step,
                "examples": len(pairs),
                "perplexity": figure.value,
                "tokens": figure.tokens,
            }
        )
        return figure

    def _texts(self) -> tuple[BlenderbotTokenizer, Examples, Examples]:
        """Tokenizer and examples, from the run's folder if they were made before."""
        folder = self.folder.path
        files = [folder / "train", folder / "valid"]
        if not all(file.exists() for file in files):
            self._prepare_texts(*files)
        training, validation = map(Examples.open, files)
        return BlenderbotTokenizer.from_pretrained(folder / "tokenizer"), training, validation

    def _prepare_texts(self, training_file: Path, validation_file: Path) -> None:
        options, reading = self.options, Reading()
        paths = corpus_files(options.data, "train", options.leave_out)
        self.say(f"Reading {', '.join(map(corpus_name, paths))} …")
        dialogues = list(read_dialogues(paths, reading, options.on_bad_record))
        for fault in reading.skipped:
            self.say(f"Skipped {fault}")
        learner = BlenderbotTokenizer(model_max_length=PRESETS[PRESET].config.max_position_embeddings)
        turns = (turn for dialogue in dialogues for turn in dialogue.turns)
        tokenizer = learner.train_new_from_iterator(turns, config_of(options).vocab_size)
        tokenizer.save_pretrained(self.folder.path / "tokenizer")
        examples = ChatExamples(tokenizer, options.chat)
        pairs = examples.pairs(dialogues)
        self.say(f"{len(dialogues)} dialogues gave {examples.report.told()}.")
        self.folder.log({"kind": "corpora", "dialogues": reading.records, **asdict(examples.report)})
        self._validation_pairs(tokenizer).save(validation_file)
        pairs.save(training_file)

    def _validation_pairs(self, tokenizer: BlenderbotTokenizer) -> Examples:
        """The replies to measure on, shuffled once, so that a few of them are a fair sample."""
        wanted = self.options.validation
        paths = corpus_files(self.options.data, "valid", self.options.leave_out)
        if wanted is not None:
            paths = [path for path in paths if corpus_name(path) == wanted]
        if not paths:
            raise OptionError(f"`validation` must name a corpus with a valid split, but {wanted!r} has none.")
        examples = ChatExamples(tokenizer, self.options.chat)
        pairs = examples.pairs(list(read_dialogues(paths, on_bad_record=self.options.on_bad_record)))
        self.folder.log({"kind": "validation corpus", **asdict(examples.report)})
        order = np.random.default_rng(VALIDATION_SEED).permutation(len(pairs))
        return pairs.take(order[: self.options.validation_examples])


def changes_of(options: ChatRunOptions) -> dict[str, Any]:
    """The fields to change, their values read as JSON: numbers, true and false, or else text.

    Raises: OptionError naming all that are no field of the config.
    """
    known = PRESETS[PRESET].config.to_dict()
    fields, faults = {}, []
    for change in options.changes:
        name, sign, text = change.partition("=")
        if not sign or name not in known:
            faults.append(f"`change` must be FIELD=VALUE with a field of the config, but is {change!r}.")
        with suppress(ValueError):
            text = json.loads(text)
        fields[name] = text
    raise_all(OptionError, faults, "The changes to the model")
    return fields


def config_of(options: ChatRunOptions) -> PreTrainedConfig:
    """The preset's config with the options' changes, checked as a whole.

    Raises: ConfigError for values that make no model.
    """
    own = {"turn_layout": options.chat.layout}  # a chat lays its turns out as they were learnt
    return config_from_dict({**PRESETS[PRESET].config.to_dict(), **changes_of(options), **own})


def new_model(tokenizer: BlenderbotTokenizer, options: ChatRunOptions) -> BlenderbotForConditionalGeneration:
    """The preset's model with weights drawn from the seed, and its way to decode."""
    torch.manual_seed(options.training.seed)
    config = config_of(options)
    config.vocab_size = len(tokenizer)
    model = BlenderbotForConditionalGeneration(config)
    tokens = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
    model.generation_config = GenerationConfig(
        **PRESETS[PRESET].generation, **{name: getattr(config, name) for name in tokens}
    )
    return model


def batches_of(pairs: Examples, model: ConditionalGeneration, tokens: int, seed: int) -> Batches:
    """Batches of sources and replies for a model."""
    collation = PairCollation(pairs, Padding.of(model.config))
    return Batches(collation.lengths(), collation, tokens, seed)


def model_perplexity(model: ConditionalGeneration, pairs: Examples, batch_tokens: int = 5000) -> Perplexity:
    """Perplexity a token of the targets, `</s>` included."""
    model.eval()
    batches = batches_of(pairs, model, batch_tokens, seed=0)
    return perplexity(target_log_probs(model, batch) for batch in batches.once())
