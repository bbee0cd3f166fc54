"""From what a caller gives `generate` to checked tensors on the device, encoded once."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from bartleby.backends.pytorch.cache import adopted
from bartleby.backends.pytorch.modeling import Decoder, Encoder
from bartleby.backends.pytorch.outputs import BaseModelOutput
from bartleby.errors import LengthError, OptionError, ShapeError, VocabularyError
from bartleby.family.config import PreTrainedConfig
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import eos_ids, start_id


@dataclass(frozen=True)
class Inputs:
    """What a model is given to write from, by the names of `generate`."""

    input_ids: Tensor | None = None
    attention_mask: Tensor | None = None
    inputs_embeds: Tensor | None = None
    head_mask: Tensor | None = None
    cross_attn_head_mask: Tensor | None = None
    past_key_values: Any = None
    # Of encoder and decoder
    encoder_outputs: Any = None
    decoder_input_ids: Tensor | None = None
    decoder_attention_mask: Tensor | None = None
    decoder_head_mask: Tensor | None = None
    # Of a decoder alone
    encoder_hidden_states: Tensor | None = None
    encoder_attention_mask: Tensor | None = None


OF_BOTH = ("input_ids", "attention_mask", "inputs_embeds", "head_mask", "cross_attn_head_mask", "past_key_values")
OF_ENCODER_DECODER = (
    *OF_BOTH,
    "encoder_outputs",
    "decoder_input_ids",
    "decoder_attention_mask",
    "decoder_head_mask",
)
OF_DECODER = (*OF_BOTH, "encoder_hidden_states", "encoder_attention_mask")


@dataclass(frozen=True)
class Prepared:
    """The same, checked and on the device. Masks are None where they hide nothing."""

    prompts: Tensor
    """(b, t), the start token included."""
    prompt_mask: Tensor | None
    sources: Tensor | None
    """Ids (b, s) that the rules about the source read: a decoder alone has its prompts for a source."""
    source_mask: Tensor | None
    """(b, s), of `sources` and `states`."""
    states: Tensor | None = None
    """(b, s, d); None for a decoder alone."""
    encoded: BaseModelOutput | None = None
    """All that the encoder gave, for those who want to see it."""
    head_mask: Tensor | None = None
    """The decoder's, (layers, h)."""
    cross_head_mask: Tensor | None = None
    past: Any = None
    """Keys and values of the first tokens of the prompts, from an earlier call."""
    embeds: Tensor | None = None
    """What a decoder alone reads in the place of its prompts, (b, t', d)."""

    @property
    def unnamed(self) -> int:
        """Vectors of `embeds` for which no id stands in the prompts."""
        return 0 if self.embeds is None else self.embeds.shape[1] - self.prompts.shape[1]

    def of(self, rows: Tensor, length: int) -> Prepared:
        """Of these sources only, with the first `length` tokens of their prompts."""
        mask = None if self.prompt_mask is None else self.prompt_mask[rows, :length]
        return replace(
            self,
            prompts=self.prompts[rows, :length],
            prompt_mask=None if mask is None or bool(mask.all()) else mask,
            sources=None if self.sources is None else self.sources[rows],
            source_mask=None if self.source_mask is None else self.source_mask[rows],
            states=None if self.states is None else self.states[rows],
            embeds=None if self.embeds is None else self.embeds[rows],
        )


class WritingModel(Protocol):
    """What decoding asks of a model; `GenerationMixin` in generation.py is one."""

    config: PreTrainedConfig

    @property
    def generation_config(self) -> GenerationConfig: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def get_encoder(self) -> Encoder: ...

    def get_decoder(self) -> Decoder: ...

    def lm_logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (…, d) -> (…, v)."""


def prepare(model: WritingModel, inputs: Inputs, options: GenerationConfig) -> Prepared:
    """Check `inputs`, read sources and put prompts together.

    Raises: ShapeError, VocabularyError, LengthError or OptionError, before anything is computed.
    """
    prepared = (prepare_pair if model.config.is_encoder_decoder else prepare_decoder)(model, inputs, options)
    check_past(prepared)
    return prepared


def prepare_pair(model: WritingModel, inputs: Inputs, options: GenerationConfig) -> Prepared:
    """For encoder and decoder: the source is encoded, unless its states are given."""
    ids = checked_ids("input_ids", inputs.input_ids, model)
    encoded = given_states(inputs.encoder_outputs, model.device)
    if ids is not None and inputs.inputs_embeds is not None:
        raise ShapeError("`input_ids` and `inputs_embeds` are both given. Give only one of them.")
    states = None if encoded is None else encoded.last_hidden_state
    source = next((each for each in (states, ids, inputs.inputs_embeds) if each is not None), None)
    if source is None:
        raise ShapeError("`input_ids`, `inputs_embeds` or `encoder_outputs` must be given, but none is.")
    if ids is None and needs_sources(options):
        raise OptionError(
            "`encoder_no_repeat_ngram_size` and `encoder_repetition_penalty` read the ids of the sources. "
            "Pass `input_ids` as well, or set them to 0 and 1."
        )
    _check_mask("attention_mask", inputs.attention_mask, source.shape[:2])
    mask = source_mask(inputs.attention_mask, ids, options, model.device)
    prompts, prompt_mask = decoder_prompts(model, inputs, options, len(source))
    if encoded is None:
        encoded = model.get_encoder()(
            ids,
            mask,
            head_mask=inputs.head_mask,
            inputs_embeds=inputs.inputs_embeds,
            output_attentions=options.output_attentions and options.return_dict_in_generate,
            output_hidden_states=options.output_hidden_states and options.return_dict_in_generate,
            return_dict=True,
        )
    return Prepared(
        prompts,
        prompt_mask,
        ids,
        mask,
        encoded.last_hidden_state,
        encoded,
        inputs.decoder_head_mask,
        inputs.cross_attn_head_mask,
        inputs.past_key_values,
    )


def prepare_decoder(model: WritingModel, inputs: Inputs, options: GenerationConfig) -> Prepared:
    """A decoder alone goes on with its input; from nothing it starts with bos."""
    ids, embeds = checked_ids("input_ids", inputs.input_ids, model), inputs.inputs_embeds
    if embeds is not None:
        ids = torch.zeros(len(embeds), 0, dtype=torch.long, device=model.device) if ids is None else ids
        _check_mask("attention_mask", inputs.attention_mask, embeds.shape[:2])
        mask = _needed(inputs.attention_mask, model.device)
        if mask is not None and not bool(mask[:, -1].all()):
            raise ShapeError("`attention_mask` hides the last vector of a prompt. Pad `inputs_embeds` on the left.")
        return Prepared(ids, mask, None, None, head_mask=inputs.head_mask, past=inputs.past_key_values, embeds=embeds)
    if ids is None:
        if options.bos_token_id is None:
            raise OptionError("`bos_token_id` must be set to write without `input_ids`, but is None.")
        ids = torch.full((1, 1), options.bos_token_id, device=model.device)
    _check_mask("attention_mask", inputs.attention_mask, ids.shape)
    mask = source_mask(inputs.attention_mask, ids, options, model.device)
    states = inputs.encoder_hidden_states
    if states is not None:
        _check_mask("encoder_attention_mask", inputs.encoder_attention_mask, states.shape[:2])
        seen = _needed(inputs.encoder_attention_mask, model.device)
        return Prepared(
            ids,
            mask,
            None,
            seen,
            states.to(model.device),
            None,
            inputs.head_mask,
            inputs.cross_attn_head_mask,
            inputs.past_key_values,
        )
    return Prepared(ids, mask, ids, mask, head_mask=inputs.head_mask, past=inputs.past_key_values)


def decoder_prompts(
    model: WritingModel, inputs: Inputs, options: GenerationConfig, count: int
) -> tuple[Tensor, Tensor | None]:
    """What the outputs begin with: the start token, put before given prompts if all of them lack it."""
    ids = checked_ids("decoder_input_ids", inputs.decoder_input_ids, model)
    start = torch.full((count, 1), start_id(options), device=model.device)
    if ids is None:
        return start, None
    if len(ids) != count:
        raise ShapeError(f"`decoder_input_ids` must have a row for each of {count} sources, but has {len(ids)}.")
    mask = inputs.decoder_attention_mask
    _check_mask("decoder_attention_mask", mask, ids.shape)
    first = ids[:, :1] if mask is None else ids.gather(1, mask.to(ids).argmax(dim=1, keepdim=True))
    if bool((first != start).all()):
        ids = torch.cat([start, ids], dim=1)
        mask = None if mask is None else torch.cat([torch.ones_like(mask[:, :1]), mask], dim=1)
    return ids, _needed(mask, model.device)


def by_prompt_length(prepared: Prepared) -> Iterator[tuple[Tensor, Prepared]]:
    """The sources whose prompts end at one place, with their places: what is written side by side starts there."""
    mask = prepared.prompt_mask
    if mask is None or bool(mask[:, -1].all()):
        yield torch.arange(len(prepared.prompts), device=prepared.prompts.device), prepared
        return
    lengths = mask.shape[1] - mask.flip(1).argmax(dim=1)
    for length in lengths.unique().tolist():
        rows = (lengths == length).nonzero()[:, 0]
        yield rows, prepared.of(rows, length)


def needs_sources(options: GenerationConfig) -> bool:
    """Whether a rule reads the source."""
    return options.encoder_no_repeat_ngram_size > 0 or options.encoder_repetition_penalty != 1


def unpadded(prepared: Prepared) -> list[list[int]]:
    """The ids of every source without its padding."""
    if prepared.sources is None:
        raise OptionError("A rule about the source needs its ids, but only encoder states are given.")
    ids = prepared.sources.cpu()
    seen = torch.ones_like(ids) if prepared.source_mask is None else prepared.source_mask.cpu()
    return [row[mask != 0].tolist() for row, mask in zip(ids, seen, strict=True)]


def check_past(prepared: Prepared) -> None:
    """Raises: LengthError if nothing of a prompt is left to read."""
    prompt = prepared.prompts.shape[1] + prepared.unnamed
    known = 0 if prepared.past is None else adopted(prepared.past).get_seq_length()
    if known and known >= prompt:
        raise LengthError(
            f"The prompt must be longer than the {known} tokens that `past_key_values` knows, but has {prompt}. "
            "Pass all tokens so far, those of the earlier call and new ones."
        )


def within_embeds(options: GenerationConfig, inputs: Inputs) -> GenerationConfig:
    """The options of a decoder alone that is given vectors without ids: as published, they count in its lengths."""
    if inputs.inputs_embeds is None or inputs.input_ids is not None:
        return options
    options, given = copy.deepcopy(options), inputs.inputs_embeds.shape[1]
    if options.max_new_tokens is None:
        options.max_length -= given
    options.min_length = max(options.min_length - given, 0)
    if options.max_length < 1:
        raise OptionError(
            f"`max_length` must be more than the {given} vectors of the prompt, but is {options.max_length + given}. "
            "Raise it, or set `max_new_tokens`, which does not count them."
        )
    return options


def checked_ids(name: str, ids: Tensor | None, model: WritingModel) -> Tensor | None:
    """The ids on the device. Checked here, because an accelerator cannot say which id was wrong."""
    if ids is None:
        return None
    if not isinstance(ids, Tensor):
        raise ShapeError(
            f"`{name}` must be a tensor of ids of shape (batch, length), but is a {type(ids).__name__}. "
            'Ask the tokenizer for `return_tensors="pt"`.'
        )
    if ids.dim() != 2 or ids.is_floating_point() or 0 in ids.shape:
        raise ShapeError(f"`{name}` must be ids of shape (batch, length), but is {ids.dtype} {tuple(ids.shape)}.")
    lowest, highest = torch.stack(ids.aminmax()).tolist()
    if lowest < 0 or highest >= model.config.vocab_size:
        raise VocabularyError(
            f"`{name}` must hold ids from 0 to {model.config.vocab_size - 1}, the rows of the embedding table, but "
            f"holds {lowest if lowest < 0 else highest}. Use the tokenizer of this checkpoint."
        )
    return ids.to(model.device, torch.long)


def source_mask(
    mask: Tensor | None, ids: Tensor | None, options: GenerationConfig, device: torch.device
) -> Tensor | None:
    """The mask given, or one that hides pad tokens where those do not also end sequences."""
    pad = options.pad_token_id
    if mask is None and ids is not None and pad is not None and pad not in eos_ids(options):
        mask = (ids != pad).long()
    return _needed(mask, device)


def given_states(encoder_outputs: Any, device: torch.device) -> BaseModelOutput | None:
    """What an encoder gave before: an output, a dict, or a tuple that begins with its last states."""
    if encoder_outputs is None:
        return None
    if isinstance(encoder_outputs, Tensor):
        encoder_outputs = (encoder_outputs,)
    fields = ("last_hidden_state", "hidden_states", "attentions")
    is_row = isinstance(encoder_outputs, tuple | list)
    said = dict(zip(fields, encoder_outputs, strict=False)) if is_row else encoder_outputs
    found: dict[str, Any] = {name: said.get(name) for name in fields} if hasattr(said, "get") else {}
    states = found.get("last_hidden_state")
    if not isinstance(states, Tensor):
        kind = type(encoder_outputs).__name__
        raise ShapeError(f"`encoder_outputs` must be what an encoder gave, but is a {kind} without its states.")
    return BaseModelOutput(**{**found, "last_hidden_state": states.to(device)})


def _needed(mask: Tensor | None, device: torch.device) -> Tensor | None:
    """None for a mask that hides nothing: attention is faster without."""
    return None if mask is None or bool(mask.all()) else mask.to(device)


def _check_mask(name: str, mask: Tensor | None, shape: torch.Size) -> None:
    if mask is not None and not isinstance(mask, Tensor):
        raise ShapeError(f"`{name}` must be a tensor of shape {tuple(shape)}, but is a {type(mask).__name__}.")
    if mask is not None and mask.shape != shape:
        raise ShapeError(f"`{name}` must have the shape of what it masks, {tuple(shape)}, but has {tuple(mask.shape)}.")
    if mask is not None and not bool(mask.any(dim=1).all()):
        raise ShapeError(f"`{name}` must leave something of every row, but hides all of one. Leave out empty rows.")
