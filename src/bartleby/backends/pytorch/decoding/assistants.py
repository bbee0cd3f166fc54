"""From `assistant_model` or `prompt_lookup_num_tokens` to who writes ahead of which model, for each source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from bartleby.backends.pytorch.decoding.assisted import Opener
from bartleby.backends.pytorch.decoding.drafts import LookupDraft, ModelDraft, Pace
from bartleby.backends.pytorch.decoding.inputs import Prepared, WritingModel
from bartleby.backends.pytorch.decoding.lookahead import ModelReader
from bartleby.backends.pytorch.decoding.rules import Rule
from bartleby.backends.pytorch.decoding.task import Task
from bartleby.errors import OptionError, raise_all
from bartleby.generation.config import GenerationConfig
from bartleby.generation.mode import GenerationMode, mode_of


def openers(reader: ModelReader, task: Task, assistant: WritingModel | None, rules: Sequence[Rule]) -> Opener:
    """How `assisted_search` comes by a model and a draft for each source; the draft follows `rules`.

    Raises: OptionError if there can be no such draft.
    """
    check_assistant(reader.model, assistant, task.options)
    prepared = reader.prepared
    if assistant is None:
        texts = sources_of(prepared)
        return lambda place: (reader.alone(place), LookupDraft(None if texts is None else texts[place], task.options))
    helper = ModelReader(assistant, prepared_for(assistant, reader.model, prepared))
    if task.options.use_cache:
        helper.take_memory(task.max_length)
    pace = Pace.of(task.options, assistant.generation_config)
    follows = replace(task, rules=rules, listener=None)
    return lambda place: (reader.alone(place), ModelDraft(helper.alone(place), follows, place, pace))


def prepared_for(assistant: WritingModel, model: WritingModel, prepared: Prepared) -> Prepared:
    """What the assistant reads: the same texts, through its own encoder unless it shares the model's.

    Raises: OptionError if it needs ids that were not given.
    """
    states, ids, mask, device = prepared.states, prepared.sources, prepared.source_mask, assistant.device

    def moved(mask: Tensor | None) -> Tensor | None:
        return None if mask is None else mask.to(device)

    if prepared.embeds is not None:
        raise OptionError("`assistant_model` has embeddings of its own. Pass `input_ids`, not `inputs_embeds`.")
    if assistant.config.is_encoder_decoder and assistant.get_encoder() is not model.get_encoder():
        if ids is None:
            raise OptionError("`assistant_model` has an encoder of its own, which needs ids. Pass `input_ids` as well.")
        states = assistant.get_encoder()(ids.to(device), moved(mask), return_dict=True).last_hidden_state
    return Prepared(
        prepared.prompts.to(device),
        moved(prepared.prompt_mask),
        None,
        moved(mask),
        None if states is None else states.to(device, assistant.dtype),
    )


def sources_of(prepared: Prepared) -> list[Tensor] | None:
    """The ids of every source (s,), unpadded; None where they are not known or are themselves being written on."""
    if prepared.sources is None or prepared.states is None:
        return None
    if prepared.source_mask is None:
        return list(prepared.sources)
    return [ids[mask != 0] for ids, mask in zip(prepared.sources, prepared.source_mask, strict=True)]


def check_assistant(model: WritingModel, assistant: WritingModel | None, options: GenerationConfig) -> None:
    """Raises: OptionError if nobody could write ahead as asked."""
    if assistant is not None or options.prompt_lookup_num_tokens is not None:
        raise_all(OptionError, [*_assistant_faults(model, assistant, options)], "generate")


def _assistant_faults(model: WritingModel, assistant: WritingModel | None, options: GenerationConfig) -> Iterator[str]:
    asked = "prompt_lookup_num_tokens" if assistant is None else "assistant_model"
    mode = mode_of(options, is_assisted=assistant is not None)
    if mode is not GenerationMode.ASSISTED_GENERATION:
        yield f"`{asked}` works with greedy search and sampling, but the options ask for {mode.value}."
    if assistant is None:
        return
    if options.prompt_lookup_num_tokens is not None:
        yield "`assistant_model` and `prompt_lookup_num_tokens` both write ahead. Set only one of them."
    if not hasattr(assistant, "lm_logits"):
        kind = type(assistant)
        yield (
            f"`assistant_model` must be a model that writes, but is a {kind.__name__} of {kind.__module__}. "
            "Load one by bartleby's AutoModelForSeq2SeqLM or AutoModelForCausalLM."
        )
        return
    ours, theirs = model.config, assistant.config
    if ours.vocab_size != theirs.vocab_size:
        yield f"`assistant_model` must have the {ours.vocab_size} tokens of the model, but has {theirs.vocab_size}."
    if theirs.is_encoder_decoder and not ours.is_encoder_decoder:
        yield "`assistant_model` must be a decoder alone, as the model is, but has an encoder."
    if ours.is_encoder_decoder and not theirs.is_encoder_decoder and ours.d_model != theirs.d_model:
        yield (
            f"`assistant_model` without an encoder reads the states of the model's, so its `d_model` must be "
            f"{ours.d_model}, but is {theirs.d_model}."
        )
