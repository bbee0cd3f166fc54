"""The decoder alone, as a language model."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bartleby.backends.pytorch.cache import is_cache
from bartleby.backends.pytorch.decoding.entry_points import EntryPoints
from bartleby.backends.pytorch.losses import token_loss
from bartleby.backends.pytorch.model import Model, refuse_unknown
from bartleby.backends.pytorch.modeling import Decoder
from bartleby.backends.pytorch.outputs import CausalLMOutputWithCrossAttentions, as_asked
from bartleby.backends.pytorch.passing import kept, new_ids, reordered, rest_of, tie_output
from bartleby.family.config import PreTrainedConfig


class DecoderOnly(nn.Module):
    """Holds the decoder under the name it has in a full checkpoint."""

    decoder_class: ClassVar[type[Decoder]]

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        self.config = config
        self.decoder = self.decoder_class(config)

    def forward(self, *arguments: Any, **named: Any) -> Any:
        return self.decoder(*arguments, **named)


class CausalLM(Model, EntryPoints):
    """The decoder alone, as a language model; it looks at encoder states where they are given."""

    table_head = "causal_lm"
    wrapper_class: ClassVar[type[DecoderOnly]]
    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.decoder.embed_tokens.weight"}

    def __init__(self, config: PreTrainedConfig) -> None:
        config = copy.deepcopy(config)
        config.is_decoder, config.is_encoder_decoder = True, False
        super().__init__(config)
        self.model = self.wrapper_class(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    def tie_weights(self) -> None:
        if self.config.tie_word_embeddings:
            tie_output(self.lm_head, self.model.decoder.embed_tokens)

    def get_decoder(self) -> Decoder:
        return self.model.decoder

    def set_decoder(self, decoder: Decoder) -> None:
        self.model.decoder = decoder

    def get_input_embeddings(self) -> nn.Module:
        return self.model.decoder.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.decoder.set_input_embeddings(value)
        self.tie_weights()

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.lm_head = new_embeddings  # type: ignore[assignment]  # any projection will do

    def lm_logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (…, d) -> (…, v)."""
        scores: Tensor = self.lm_head(hidden)
        return scores

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        cache_position: Tensor | None = None,
        position_ids: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithCrossAttentions | tuple[Any, ...]:
        """Shapes: input_ids (b, t); labels (b, t), not moved, -100 where they do not count -> logits (b, t, v).

        The others are those of the decoder and of conditional generation.
        """
        refuse_unknown(self.forward, kwargs)
        outputs = self.model.decoder(
            input_ids,
            attention_mask,
            encoder_hidden_states,
            encoder_attention_mask,
            head_mask,
            cross_attn_head_mask,
            past_key_values,
            inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
            return_dict=True,
            cache_position=cache_position,
            position_ids=position_ids,
        )
        logits = self.lm_logits(kept(outputs.last_hidden_state, logits_to_keep))
        loss = None if labels is None else token_loss(logits, labels, num_items_in_batch)
        return as_asked(CausalLMOutputWithCrossAttentions(loss, logits, **rest_of(outputs)), self.config, return_dict)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: Any = None,
        attention_mask: Tensor | None = None,
        use_cache: bool | None = None,
        *,
        inputs_embeds: Tensor | None = None,
        next_sequence_length: int | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of the next pass: the ids the cache does not know yet, and what stays as it is."""
        embeds = inputs_embeds if is_first_iteration else None
        return {
            "input_ids": None if embeds is not None else new_ids(input_ids, past_key_values, next_sequence_length),
            "inputs_embeds": embeds,
            "attention_mask": torch.ones_like(input_ids) if attention_mask is None else attention_mask,
            "past_key_values": past_key_values,
            "use_cache": use_cache,
            **kwargs,
        }

    @staticmethod
    def _reorder_cache(past_key_values: Any, beam_idx: Tensor) -> Any:
        """Rows of a cache in another order; of a tuple a new one."""
        if is_cache(past_key_values):
            past_key_values.reorder_cache(beam_idx)
            return past_key_values
        return tuple(reordered(layer, beam_idx) for layer in past_key_values)
