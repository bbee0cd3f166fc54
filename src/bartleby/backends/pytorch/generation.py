"""`generate`: from what a caller gives to ids, by way of search.py, which does the deciding.

It must equal the plain code in generation/search.py token by token, and is earned by benchmarks/decoding.py. What makes
it fast: a prompt is read once per source; self-attention writes into memory taken once; a source's keys and values are
computed once and shared by its beams; finished sources leave the batch; nothing is decided row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bartleby.backends.pytorch.cache import DynamicCache, EncoderDecoderCache, StaticCache
from bartleby.backends.pytorch.masks import padding_bias
from bartleby.backends.pytorch.modeling import Decoder, Encoder
from bartleby.backends.pytorch.outputs import BaseModelOutput
from bartleby.backends.pytorch.pretrained import PreTrainedModel
from bartleby.backends.pytorch.rules import applied
from bartleby.backends.pytorch.search import Noise, SharedNoise, Task, Written, search
from bartleby.errors import LengthError, OptionError, ShapeError, VocabularyError, raise_all
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import eos_ids, length_bounds, resolve_options, start_id
from bartleby.generation.rules import rules_for

SPECIAL_TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


@dataclass(frozen=True)
class Inputs:
    """What a model is given to write from, by the names of `generate`."""

    input_ids: Tensor | None = None
    attention_mask: Tensor | None = None
    inputs_embeds: Tensor | None = None
    encoder_outputs: BaseModelOutput | tuple[Tensor, ...] | None = None
    decoder_input_ids: Tensor | None = None
    decoder_attention_mask: Tensor | None = None


@dataclass(frozen=True)
class Prepared:
    """The same, checked and on the device. Masks are None where they hide nothing."""

    prompts: Tensor
    """(b, t), the start token included."""
    prompt_mask: Tensor | None
    sources: Tensor | None
    """Ids (b, s) that the rules about the source read: a decoder alone has its prompts for a source."""
    source_mask: Tensor | None
    states: Tensor | None = None
    """(b, s, d); None for a decoder alone."""


class GenerationMixin(PreTrainedModel):
    """A model that can write: one with a distribution over the next token."""

    _generation_config: GenerationConfig | None = None

    @classmethod
    def can_generate(cls) -> bool:
        return True

    @property
    def generation_config(self) -> GenerationConfig:
        """How to decode where the caller does not say; from the config until it is set."""
        if self._generation_config is None:
            self._generation_config = GenerationConfig.from_model_config(self.config)
        return self._generation_config

    @generation_config.setter
    def generation_config(self, options: GenerationConfig) -> None:
        self._generation_config = options

    def get_encoder(self) -> Encoder:
        raise NotImplementedError

    def get_decoder(self) -> Decoder:
        raise NotImplementedError

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (…, d) -> (…, v)."""
        raise NotImplementedError

    @torch.no_grad()
    def generate(
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
        prefix_allowed_tokens_fn: Any = None,
        synced_gpus: bool | None = None,
        assistant_model: Any = None,
        streamer: Any = None,
        negative_prompt_ids: Tensor | None = None,
        negative_prompt_attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Write an answer to each source, as `generation_config` and then the options in `kwargs` say.

        `inputs` is another name of `input_ids`. Without `attention_mask`, pad tokens are taken for padding, unless
        they also end sequences.
        Shapes: input_ids (b, s) -> (b · num_return_sequences, t), prompt included, right-padded.
        Raises: OptionError, VocabularyError, LengthError or ShapeError before anything is computed.
        """
        _refuse_later(
            logits_processor=logits_processor,
            stopping_criteria=stopping_criteria,
            prefix_allowed_tokens_fn=prefix_allowed_tokens_fn,
            synced_gpus=synced_gpus or None,
            assistant_model=assistant_model,
            streamer=streamer,
            negative_prompt_ids=negative_prompt_ids,
            negative_prompt_attention_mask=negative_prompt_attention_mask,
        )
        given, options = self._divided(kwargs)
        if inputs is not None and given.get("input_ids") is not None:
            raise OptionError("`inputs` and `input_ids` are two names of one thing. Give only one of them.")
        if inputs is not None:
            given["input_ids"] = inputs
        resolved = self._resolved(generation_config, options)
        prepared = self._prepared(Inputs(**given), resolved)
        noise = SharedNoise(len(prepared.prompts)) if resolved.do_sample else None
        return rectangle(self.write(prepared, resolved, noise), resolved, prepared.prompts.shape[1])

    def write(self, prepared: Prepared, options: GenerationConfig, noise: Noise | None) -> Written:
        """The outputs of all sources, as the search leaves them."""
        _, max_length = length_bounds(options, prepared.prompts.shape[1])
        writer = ModelWriter(self, prepared)
        if options.use_cache:
            writer.take_memory(max_length - 1)  # the last token written is never read
        rules = rules_for(options, prepared.prompts.shape[1], unpadded(prepared) if needs_sources(options) else ())
        padding = None if prepared.prompt_mask is None else prepared.prompt_mask == 0
        task = Task(options, applied(rules, self.device), prepared.prompts, max_length, noise, padding)
        return search(task, writer)

    def _divided(self, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs and the options among the keywords of `generate`."""
        names = set(Inputs.__annotations__)
        if not self.config.is_encoder_decoder:
            names = {"input_ids", "attention_mask"}
        given = {name: value for name, value in kwargs.items() if name in names}
        return given, {name: value for name, value in kwargs.items() if name not in names}

    def _resolved(self, config: GenerationConfig | None, overrides: Mapping[str, Any]) -> GenerationConfig:
        """What to decode with; a config of the caller's that leaves out special tokens gets those of the model."""
        options = resolve_options(self.generation_config if config is None else config, overrides)
        for name in SPECIAL_TOKENS:
            if getattr(options, name) is None:
                setattr(options, name, getattr(self.generation_config, name))
        options.validate("pytorch", self.config.vocab_size)
        return options

    def _prepared(self, inputs: Inputs, options: GenerationConfig) -> Prepared:
        if not self.config.is_encoder_decoder:
            return self._prompted(inputs, options)
        ids, states = self._checked_ids("input_ids", inputs.input_ids), _given_states(inputs)
        if ids is not None and inputs.inputs_embeds is not None:
            raise ShapeError("`input_ids` and `inputs_embeds` are both given. Give only one of them.")
        source = next((each for each in (ids, inputs.inputs_embeds, states) if each is not None), None)
        if source is None:
            raise ShapeError("`input_ids`, `inputs_embeds` or `encoder_outputs` must be given, but none is.")
        if ids is None and needs_sources(options):
            raise OptionError(
                "`encoder_no_repeat_ngram_size` needs the ids of the sources. Pass `input_ids` as well, or set it to 0."
            )
        _check_mask("attention_mask", inputs.attention_mask, source.shape[:2])
        mask = self._mask(inputs.attention_mask, ids, options)
        prompts, prompt_mask = self._decoder_prompts(inputs, options, len(source))
        check_room(options, prompts.shape[1], self.config.max_position_embeddings)
        if states is None:
            embeds = inputs.inputs_embeds
            encoded = self.get_encoder()(ids, mask, inputs_embeds=embeds, output_attentions=False, return_dict=True)
            states = encoded.last_hidden_state
        return Prepared(prompts, prompt_mask, ids, mask, states)

    def _prompted(self, inputs: Inputs, options: GenerationConfig) -> Prepared:
        """A decoder alone goes on with its input; from nothing it starts with bos."""
        ids = self._checked_ids("input_ids", inputs.input_ids)
        if ids is None:
            if options.bos_token_id is None:
                raise OptionError("`bos_token_id` must be set to write without `input_ids`, but is None.")
            ids = torch.full((1, 1), options.bos_token_id, device=self.device)
        _check_mask("attention_mask", inputs.attention_mask, ids.shape)
        mask = self._mask(inputs.attention_mask, ids, options)
        _check_last("attention_mask", mask)
        check_room(options, ids.shape[1], self.config.max_position_embeddings)
        return Prepared(ids, mask, ids, mask)

    def _decoder_prompts(self, inputs: Inputs, options: GenerationConfig, count: int) -> tuple[Tensor, Tensor | None]:
        """What the outputs begin with: the start token, put before given prompts if all of them lack it."""
        start = torch.full((count, 1), start_id(options), device=self.device)
        ids = self._checked_ids("decoder_input_ids", inputs.decoder_input_ids)
        if ids is None:
            return start, None
        if len(ids) != count:
            raise ShapeError(f"`decoder_input_ids` must have a row for each of {count} sources, but has {len(ids)}.")
        mask = inputs.decoder_attention_mask
        _check_mask("decoder_attention_mask", mask, ids.shape)
        _check_last("decoder_attention_mask", mask)
        if bool((ids[:, :1] != start).all()):
            ids = torch.cat([start, ids], dim=1)
            mask = None if mask is None else torch.cat([torch.ones_like(mask[:, :1]), mask], dim=1)
        return ids, self._needed(mask)

    def _mask(self, mask: Tensor | None, ids: Tensor | None, options: GenerationConfig) -> Tensor | None:
        """The mask given, or one that hides pad tokens where those do not also end sequences."""
        pad = options.pad_token_id
        if mask is None and ids is not None and pad is not None and pad not in eos_ids(options):
            mask = (ids != pad).long()
        return self._needed(mask)

    def _needed(self, mask: Tensor | None) -> Tensor | None:
        """None for a mask that hides nothing: attention is faster without."""
        return None if mask is None or bool(mask.all()) else mask.to(self.device)

    def _checked_ids(self, name: str, ids: Tensor | None) -> Tensor | None:
        """The ids on the device. Checked here, because an accelerator cannot say which id was wrong."""
        if ids is None:
            return None
        if ids.dim() != 2 or ids.is_floating_point() or 0 in ids.shape:
            raise ShapeError(f"`{name}` must be ids of shape (batch, length), but is {ids.dtype} {tuple(ids.shape)}.")
        lowest, highest = torch.stack(ids.aminmax()).tolist()
        if lowest < 0 or highest >= self.config.vocab_size:
            raise VocabularyError(
                f"`{name}` must hold ids from 0 to {self.config.vocab_size - 1}, the rows of the embedding table, but "
                f"holds {lowest if lowest < 0 else highest}. Use the tokenizer of this checkpoint."
            )
        return ids.to(self.device, torch.long)


class ModelWriter:
    """A model at work for `search`: its encoded sources, and the keys and values of what was written."""

    def __init__(self, model: GenerationMixin, prepared: Prepared) -> None:
        self.model, self.decoder = model, model.get_decoder()
        self.states = prepared.states
        self.bias = None if self.states is None else padding_bias(prepared.source_mask, self.states)
        self.prompt_mask = prepared.prompt_mask
        self.cache: EncoderDecoderCache | None = None

    def take_memory(self, length: int) -> None:
        """Keep keys and values of up to `length` tokens a row, instead of computing them again in every step."""
        self.cache = EncoderDecoderCache(StaticCache(length), DynamicCache())

    def step(self, ids: Tensor) -> Tensor:
        """As `Writer.step`."""
        known = 0 if self.cache is None else self.cache.get_seq_length()
        hidden = self.decoder(
            ids[:, known:],
            self._mask(*ids.shape),
            self.states,
            self.bias,
            past_key_values=self.cache,
            use_cache=self.cache is not None,
            output_attentions=False,
            output_hidden_states=False,
            return_dict=True,
        ).last_hidden_state
        return self.model.logits(hidden[:, -1]).float()

    def _mask(self, rows: int, length: int) -> Tensor | None:
        """The prompts' mask for all rows, with ones for what was written since; (r, t)."""
        if self.prompt_mask is None:
            return None
        ones = self.prompt_mask.new_ones(len(self.prompt_mask), length - self.prompt_mask.shape[1])
        return torch.cat([self.prompt_mask, ones], dim=1).repeat_interleave(rows // len(ones), dim=0)

    def reorder(self, rows: Tensor) -> None:
        """As `Writer.reorder`."""
        if self.cache is not None:
            self.cache.self_attention_cache.reorder_cache(rows)

    def keep(self, sources: Tensor) -> None:
        """As `Writer.keep`."""
        if self.cache is not None:
            self.cache.cross_attention_cache.reorder_cache(sources)
        self.states = None if self.states is None else self.states[sources]
        self.bias = None if self.bias is None else self.bias[sources]
        self.prompt_mask = None if self.prompt_mask is None else self.prompt_mask[sources]


def rectangle(written: Written, options: GenerationConfig, prompt_length: int) -> Tensor:
    """Outputs as the published `generate` returns them: (b · n, longest), padded on the right.

    Raises: OptionError if there is nothing to pad with.
    """
    ids, lengths = written.ids.flatten(0, 1), written.lengths.flatten() + prompt_length
    ids = ids[:, : int(lengths.max())]
    beyond = torch.arange(ids.shape[1], device=ids.device) >= lengths[:, None]
    pad = next((each for each in (options.pad_token_id, *eos_ids(options)) if each is not None), None)
    if pad is None:
        if bool(beyond.any()):
            raise OptionError("`pad_token_id` must be set to return outputs of unequal lengths, but is None.")
        return ids
    return ids.masked_fill(beyond, pad)


def needs_sources(options: GenerationConfig) -> bool:
    """Whether a rule reads the source."""
    return options.encoder_no_repeat_ngram_size > 0


def unpadded(prepared: Prepared) -> list[list[int]]:
    """The ids of every source without its padding."""
    assert prepared.sources is not None
    ids = prepared.sources.cpu()
    seen = torch.ones_like(ids) if prepared.source_mask is None else prepared.source_mask.cpu()
    return [row[mask != 0].tolist() for row, mask in zip(ids, seen, strict=True)]


def check_room(options: GenerationConfig, prompt_length: int, positions: int) -> None:
    """Raises: LengthError if an output could outgrow the table of positions."""
    longest = length_bounds(options, prompt_length)[1]
    most = positions + 1  # the last token written is never read
    if longest > most:
        raise LengthError(
            f"The output must be at most {most} tokens long, its prompt included, for this model has {positions} "
            f"positions, but could become {longest}. Lower `max_length` or `max_new_tokens`."
        )


def _given_states(inputs: Inputs) -> Tensor | None:
    """The encoder's states where they were given; the first of a tuple."""
    return None if inputs.encoder_outputs is None else inputs.encoder_outputs[0]


def _check_mask(name: str, mask: Tensor | None, shape: torch.Size) -> None:
    if mask is not None and mask.shape != shape:
        raise ShapeError(f"`{name}` must have the shape of what it masks, {tuple(shape)}, but has {tuple(mask.shape)}.")


def _check_last(name: str, mask: Tensor | None) -> None:
    """Raises: ShapeError if a prompt ends in padding: what is written must follow its last token."""
    if mask is not None and not bool(mask[:, -1].all()):
        raise ShapeError(f"`{name}` hides the last token of a prompt. Pad prompts on the left.")


def _refuse_later(**arguments: Any) -> None:
    given = [name for name, value in arguments.items() if value is not None and value != []]
    raise_all(OptionError, [f"`{name}` must be None: it is not in this release." for name in given], "generate")
