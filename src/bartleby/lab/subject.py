"""The checkpoint that is verified, opened once: its files, what it is, and the texts it is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.checkpoints.folder import CheckpointFolder
from bartleby.checkpoints.names import LoadingReport, Matched, match
from bartleby.errors import BartlebyError
from bartleby.family.config import PreTrainedConfig, config_from_dict
from bartleby.family.parameters import Head, head_of, parameter_count, parameter_table
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import listed
from bartleby.hub import resolve
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer

TEXTS = (
    "My friends are cool but they eat too many carbs.",
    "The aim is to reduce the risk of wildfires. Nearly 800 thousand customers were expected to be affected.",
    "What do you do for a living?",
    "I'm not sure; I went to the library on Monday, and it was closed.",
)
"""Of unequal lengths, so that a batch of them is padded."""

RANDOM_LENGTHS = (12, 25, 7, 18)
WRITERS: tuple[Head, ...] = ("conditional_generation", "causal_lm")
READERS: tuple[Head, ...] = ("sequence_classification", "question_answering")


@dataclass
class Subject:
    """A checkpoint folder and what is asked of it. A bare model is verified as one that writes, which it can be."""

    name: str
    folder: CheckpointFolder
    count: int = 3
    seed: int = 0
    refusals: dict[str, str] = field(default_factory=dict)
    """Why a part of it could not be read."""

    @classmethod
    def open(cls, name: str, count: int, seed: int) -> Subject:
        """Raises: HubError if there is no such checkpoint, CheckpointError if it has no config.json."""
        return cls(name, CheckpointFolder.open(resolve(name)), count, seed)

    @property
    def path(self) -> Path:
        return self.folder.path

    @cached_property
    def config(self) -> PreTrainedConfig:
        return config_from_dict(self.folder.config)

    @cached_property
    def head(self) -> Head:
        found = head_of(self.config)
        return "conditional_generation" if found == "none" else found

    @cached_property
    def parameters(self) -> int:
        return parameter_count(self.config, self.head)

    @cached_property
    def generation_config(self) -> GenerationConfig:
        if self.folder.generation_config is None:
            return GenerationConfig.from_model_config(self.config)
        return GenerationConfig.from_dict(self.folder.generation_config)

    @cached_property
    def matched(self) -> Matched:
        return match(self.folder.weights, parameter_table(self.config, self.head))

    @property
    def loading(self) -> LoadingReport:
        return self.matched.report

    @property
    def is_whole(self) -> bool:
        """Whether every weight is there, so that it can be run."""
        return not (self.loading.missing or self.loading.mismatched)

    def weights(self, dtype: str) -> dict[str, npt.NDArray[Any]]:
        """All tensors by canonical name, in float32 or float64; tied ones are one array."""
        arrays: dict[Any, npt.NDArray[Any]] = {}
        weights = {}
        for name, tensor in self.matched.tensors.items():
            place = tensor.place if tensor.place is not None else name
            if place not in arrays:
                arrays[place] = tensor.array().astype(dtype, copy=False)
            weights[name] = arrays[place].reshape(tensor.shape)
        return weights

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizer | None:
        """None if there is none that can be read, see `refusals`."""
        try:
            return AutoTokenizer.from_pretrained(self.path)
        except BartlebyError as error:
            self.refusals["tokenizer"] = str(error)
            return None

    @cached_property
    def sources(self) -> list[list[int]]:
        """What the model reads: the texts, or random ids where there is no tokenizer for its vocabulary."""
        if self.tokenizer is not None:
            most = self.config.max_position_embeddings
            encoded = [list(self.tokenizer(text)["input_ids"])[:most] for text in TEXTS[: self.count]]
            highest = max(max(ids, default=0) for ids in encoded)
            if highest < self.config.vocab_size and all(encoded):
                return [self.ended(ids) for ids in encoded]
            self.refusals["texts"] = f"the tokenizer gives id {highest}, the table ends at {self.config.vocab_size - 1}"
        return self.random_sources()

    def random_sources(self) -> list[list[int]]:
        """Ids that are no special tokens, laid out as the model type is used to."""
        random = np.random.default_rng(self.seed)
        config = self.config
        first = [config.bos_token_id] if config.model_type == "bart" and config.bos_token_id is not None else []
        lengths = [min(length, config.max_position_embeddings - 2) for length in RANDOM_LENGTHS[: self.count]]
        lowest = min(4, config.vocab_size - 1)
        return [
            self.ended([*first, *random.integers(lowest, config.vocab_size, size=length).tolist()])
            for length in lengths
        ]

    def ended(self, ids: Sequence[int]) -> list[int]:
        """With one eos, at the end, where a classifier looks for it; a decoder alone goes on, so it gets none."""
        eos = listed(self.config.eos_token_id)
        if self.head in READERS and eos:
            body = [token for token in ids if token not in eos]
            return [*body[: self.config.max_position_embeddings - 1], eos[0]]
        if self.head == "causal_lm":
            return [token for token in ids if token not in eos] or list(ids)
        return list(ids)

    @cached_property
    def targets(self) -> list[list[int]]:
        """What is scored after each source: the next one of the sources."""
        return [*self.sources[1:], self.sources[0]]

    @property
    def pad(self) -> int:
        return self.config.pad_token_id if self.config.pad_token_id is not None else 0
