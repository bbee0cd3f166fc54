"""What tasks, serving and measuring ask of a model, whichever framework runs it; and the checks they share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from bartleby.errors import ConfigError, LengthError, ShapeError, VocabularyError, raise_all
from bartleby.family.config import AutoConfig, PreTrainedConfig
from bartleby.family.parameters import Head, head_of
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import listed
from bartleby.generation.resolution import length_bounds
from bartleby.generation.search import whole_prompts
from bartleby.generation.task import Generated
from bartleby.hub import take_hub_options

Texts = Sequence[Sequence[int]]
"""Token ids of several texts, unpadded: backends pad, and padding never changes a result."""


Spans = list[tuple[list[float], list[float]]]
"""For each text, the score of every token as the first of an answer, and as the last."""

ABILITIES: dict[Head, str] = {
    "conditional_generation": "write, or score what others wrote",
    "sequence_classification": "label texts",
    "question_answering": "find answers",
}
"""The heads a backend runs, and what each is there for."""


class Backend(Protocol):
    """An encoder-decoder that can write or judge texts, given as token ids; which of these, its head says."""

    @property
    def name(self) -> str:
        """Which implementation this is: one of `backends.BACKENDS`."""

    @property
    def config(self) -> PreTrainedConfig: ...

    @property
    def head(self) -> Head:
        """One of `ABILITIES`; what the others are there for is refused with a ConfigError."""

    @property
    def generation_config(self) -> GenerationConfig:
        """How the checkpoint wants to be decoded; `resolve_options` puts a caller's wishes over it."""

    def generate(
        self,
        input_ids: Texts,
        options: GenerationConfig,
        seed: int | None = None,
        *,
        decoder_input_ids: Texts | None = None,
    ) -> Generated:
        """Write `num_return_sequences` outputs for each source, best first; `decoder_input_ids` is how each begins.

        Raises: OptionError, VocabularyError, LengthError or ShapeError before anything is computed.
        """

    def score(self, input_ids: Texts, targets: Texts) -> list[list[float]]:
        """The log-probability of every token of each target, given its source and the target's tokens before it.

        Targets are scored as they are: end them in eos to count the end.
        Raises: VocabularyError, LengthError or ShapeError before anything is computed.
        """

    def classify(self, input_ids: Texts) -> list[list[float]]:
        """The score of every label for each text, in the order of `config.id2label`: logits, for a softmax to weigh.

        Two texts that are judged together are one sequence, as the tokenizer joins a pair.
        Raises: VocabularyError, LengthError or ShapeError before anything is computed.
        """

    def spans(self, input_ids: Texts) -> Spans:
        """Where in each text, question and context joined as a pair, the answer may start and end: logits.

        Raises: VocabularyError, LengthError or ShapeError before anything is computed.
        """


def head_to_open(name_or_path: str | os.PathLike[str], **where: Any) -> Head:
    """The head of the checkpoint of that name or in that folder; `where` may hold more than `hub.resolve` takes."""
    return backend_head(AutoConfig.from_pretrained(name_or_path, **take_hub_options(dict(where))))


def backend_head(config: PreTrainedConfig) -> Head:
    """That of the class config.json names, if a backend runs it; else the one that writes."""
    head = head_of(config)
    return head if head in ABILITIES else "conditional_generation"


def check_head(head: Head, wanted: Head) -> None:
    """Raises: ConfigError if a model with `head` is asked for what another head is there for."""
    if head != wanted:
        raise ConfigError(
            f"To {ABILITIES[wanted]}, a checkpoint must have the head {wanted}, but this one has {head}. "
            "Open another, or correct `architectures` in its config.json."
        )


def check_texts(texts: Texts, config: PreTrainedConfig, kind: str) -> None:
    """Refuse texts that this model cannot read; `kind` is what messages call one of them: "source", "target".

    Raises: ShapeError if one is empty, VocabularyError if it has ids outside the embedding table, LengthError if it is
        longer than the table of positions; each for all texts at once.
    """
    empty = [f"The {kind} at index {index} has no tokens." for index, text in enumerate(texts) if len(text) == 0]
    raise_all(ShapeError, empty, "The batch")
    unknown = [
        f"The {kind} at index {index} has ids {outside}, but the embedding table ends at {config.vocab_size - 1}. "
        "Use the tokenizer of this checkpoint, or resize the embeddings."
        for index, text in enumerate(texts)
        if (outside := sorted({token for token in text if not 0 <= token < config.vocab_size}))
    ]
    raise_all(VocabularyError, unknown, "The batch")
    positions = config.max_position_embeddings
    long = [
        f"The {kind} at index {index} has {len(text)} tokens, but this model has {positions} positions. "
        "Truncate it or split it into chunks."
        for index, text in enumerate(texts)
        if len(text) > positions
    ]
    raise_all(LengthError, long, "The batch")


def check_labelled(texts: Texts, config: PreTrainedConfig) -> None:
    """Refuse texts that no label can be read off.

    Raises: as `check_texts`, and ShapeError for all texts without an eos.
    """
    check_texts(texts, config, "text")
    ends = set(listed(config.eos_token_id))
    without = [
        f"The text at index {index} has no eos (id {config.eos_token_id}), where its label is read. "
        "Encode it with special tokens."
        for index, text in enumerate(texts)
        if ends.isdisjoint(text)
    ]
    raise_all(ShapeError, without, "The batch")


def check_request(
    input_ids: Texts, options: GenerationConfig, decoder_input_ids: Texts | None, config: PreTrainedConfig
) -> None:
    """Refuse sources, prompts and lengths that this model cannot read or write.

    Raises: as `check_texts`, and LengthError if an output could outgrow the table of positions.
    """
    check_texts(input_ids, config, "source")
    if decoder_input_ids is not None and len(decoder_input_ids) != len(input_ids):
        raise ShapeError(
            f"`decoder_input_ids` must hold one prompt for each of the {len(input_ids)} sources, "
            f"but holds {len(decoder_input_ids)}."
        )
    prompts = whole_prompts(options, decoder_input_ids, len(input_ids))
    check_texts(prompts, config, "decoder prompt")
    longest = max((length_bounds(options, len(prompt))[1] for prompt in prompts), default=0)
    most = config.max_position_embeddings + 1  # the last token written is never read back
    if longest > most:
        raise LengthError(
            f"The output must be at most {most} tokens long, its prompt included, for this model has "
            f"{config.max_position_embeddings} positions, but could become {longest}. "
            "Lower `max_length` or `max_new_tokens`."
        )


def check_targets(input_ids: Texts, targets: Texts, config: PreTrainedConfig) -> None:
    """Refuse sources and targets that this model cannot read, or that do not go together.

    Raises: as `check_texts`, and ShapeError if there is not one target for each source.
    """
    check_texts(input_ids, config, "source")
    check_texts(targets, config, "target")
    if len(input_ids) != len(targets):
        raise ShapeError(f"There must be one target for each of {len(input_ids)} sources, but are {len(targets)}.")
