"""One training run of a chat model, from a folder of dialogues to a checkpoint that holds a conversation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import OptionError
from bartleby.family.presets import PRESETS
from bartleby.generation.config import GenerationConfig
from bartleby.measure.perplexity import Perplexity, perplexity
from bartleby.tokenization.byte_level import BlenderbotTokenizer
from bartleby.training.chat import ChatExamples, ChatRecipe
from bartleby.training.collation import Batches, Padding, TokenPairs
from bartleby.training.corpora import OnBadRecord, Reading, corpus_files, corpus_name, read_dialogues
from bartleby.training.objectives import TargetLoss, target_log_probs
from bartleby.training.runs import RunFolder
from bartleby.training.trainer import StepReport, Trainer, TrainingOptions

PRESET = "bartleby-chat-mini"
VALIDATION_SEED = 0
SEED_VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "Ġ": 5, "a": 6, "Ġa": 7}
"""Just enough of a vocabulary to be a Blenderbot tokenizer, whose kind the trained one has."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class ChatRunOptions:
    """What a run is made of; equal options on equal files make equal runs."""

    data: Path
    training: TrainingOptions
    chat: ChatRecipe = field(default_factory=ChatRecipe)
    batch_tokens: int = 5000
    leave_out: tuple[str, ...] = ("novel_dialogue",)
    """Corpora not to learn from: period English from novels makes a modern chat odd."""
    validation: str = "self_dialogue"
    """The corpus whose `valid` split is measured on."""
    validation_examples: int = 3000
    on_bad_record: OnBadRecord = "stop"

    def recipe(self) -> dict[str, Any]:
        """What must be the same for a run to be taken up again."""
        files = corpus_files(self.data, "train", self.leave_out)
        return {
            "preset": PRESET,
            "corpora": {corpus_name(path): path.stat().st_size for path in files},
            "batch_tokens": self.batch_tokens,
            "validation": self.validation,
            "validation_examples": self.validation_examples,
            "on_bad_record": self.on_bad_record,
            **{f"chat_{name}": value for name, value in asdict(self.chat).items()},
            **{f"optimizer_{name}": value for name, value in asdict(self.training.optimizer).items()},
            **{name: value for name, value in asdict(self.training).items() if name != "optimizer"},
        }


class ChatRun:
    """A run and its folder; made anew or taken up where its newest checkpoint stands."""

    def __init__(self, options: ChatRunOptions, path: Path, say: Say) -> None:
        self.options, self.say = options, say
        self.folder = RunFolder(path, options.recipe())
        self.tokenizer, training_pairs, self.validation_pairs = self._texts()
        torch.manual_seed(options.training.seed)
        preset = PRESETS[PRESET]
        config = preset.config
        config.vocab_size = len(self.tokenizer)
        self.model = BlenderbotForConditionalGeneration(config)
        self.model.generation_config = generation_config()
        self.padding = Padding(int(config.pad_token_id or 0), int(config.decoder_start_token_id or 0))
        batches = Batches(training_pairs, self.padding, options.batch_tokens, options.training.seed)
        self.trainer = Trainer(TargetLoss(self.model), batches.from_number, options.training)
        if self.folder.restore(self.trainer, self.model):
            say(f"Going on after step {self.trainer.step}.")
        self.first_step = self.trainer.step

    def steps(self) -> Iterator[StepReport]:
        """Train, one step at a time; each is logged."""
        for report in self.trainer.run():
            self.folder.log({"kind": "step", "time": round(time.time(), 2), **asdict(report)})
            yield report

    def save(self) -> Path:
        """Write a checkpoint now."""
        return self.folder.save(self.trainer, self.model, self.tokenizer)

    def validate(self, examples: int) -> Perplexity:
        """Perplexity on the first `examples` of the shuffled validation replies, in the precision of training."""
        with self.trainer.accelerator.autocast():
            figure = model_perplexity(self.model, self.validation_pairs, self.padding, examples)
        self.folder.log(
            {
                "kind": "validation",
                "time": round(time.time(), 2),
                "step": self.trainer.step,
                "examples": min(examples, len(self.validation_pairs)),
                "perplexity": figure.value,
                "tokens": figure.tokens,
            }
        )
        return figure

    def _texts(self) -> tuple[BlenderbotTokenizer, TokenPairs, TokenPairs]:
        """Tokenizer and examples, from the run's folder if they were made before."""
        folder = self.folder.path
        files = [folder / "train.npz", folder / "valid.npz"]
        if not all(file.exists() for file in files):
            self._prepare_texts()
        tokenizer = BlenderbotTokenizer.from_pretrained(folder / "tokenizer")
        training, validation = map(TokenPairs.load, files)
        return tokenizer, training, validation

    def _prepare_texts(self) -> None:
        options, folder = self.options, self.folder.path
        reading = Reading()
        paths = corpus_files(options.data, "train", options.leave_out)
        self.say(f"Reading {', '.join(map(corpus_name, paths))} …")
        dialogues = list(read_dialogues(paths, reading, options.on_bad_record))
        for fault in reading.skipped:
            self.say(f"Skipped {fault}")
        tokenizer = train_tokenizer([turn for dialogue in dialogues for turn in dialogue.turns])
        tokenizer.save_pretrained(folder / "tokenizer")
        examples = ChatExamples(tokenizer, options.chat)
        pairs = examples.pairs(dialogues)
        self.say(f"{len(dialogues)} dialogues gave {examples.report}.")
        self.folder.log({"kind": "corpora", "dialogues": reading.records, **asdict(examples.report)})
        validation = self._validation_pairs(tokenizer)
        validation.save(folder / "valid.npz")
        pairs.save(folder / "train.npz")

    def _validation_pairs(self, tokenizer: BlenderbotTokenizer) -> TokenPairs:
        """The replies to measure on, shuffled once, so that a few of them are a fair sample."""
        wanted = self.options.validation
        paths = [path for path in corpus_files(self.options.data, "valid") if corpus_name(path) == wanted]
        if not paths:
            raise OptionError(f"`validation` must name a corpus with a valid split, but {wanted!r} has none.")
        examples = ChatExamples(tokenizer, self.options.chat)
        pairs = examples.pairs(list(read_dialogues(paths, on_bad_record=self.options.on_bad_record)))
        order = np.random.default_rng(VALIDATION_SEED).permutation(len(pairs))[: self.options.validation_examples]
        self.folder.log({"kind": "validation corpus", **asdict(examples.report)})
        return pairs.take(order)


def train_tokenizer(turns: Sequence[str]) -> BlenderbotTokenizer:
    """A byte-level tokenizer of the preset's size for these turns."""
    seed = BlenderbotTokenizer(vocab=SEED_VOCABULARY, merges=[("Ġ", "a")])
    return seed.train_new_from_iterator(turns, PRESETS[PRESET].config.vocab_size)


def generation_config() -> GenerationConfig:
    """How the preset decodes."""
    config = PRESETS[PRESET].config
    tokens = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    start = config.decoder_start_token_id
    return GenerationConfig(**PRESETS[PRESET].generation, **tokens, decoder_start_token_id=start)


def model_perplexity(
    model: BlenderbotForConditionalGeneration, pairs: TokenPairs, padding: Padding, examples: int
) -> Perplexity:
    """Perplexity a token, `</s>` included, of the first `examples` targets."""
    model.eval()
    some = pairs.take(np.arange(min(examples, len(pairs))))
    batches = Batches(some, padding, tokens=5000, seed=0)
    return perplexity(target_log_probs(model, batch) for batch in batches.once())
