"""The published Flax classes: each binds a configuration to what users call and the module that computes."""

from __future__ import annotations

from typing import Any

from jax import Array

from bartleby.backends.flax import causal, heads, model, modeling, readers, surface, writing
from bartleby.backends.flax.inputs import explained, shift_tokens_right
from bartleby.backends.flax.model import Params
from bartleby.backends.flax.outputs import ModelOutput
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig

__all__ = [
    "FlaxBartDecoderPreTrainedModel",
    "FlaxBartForCausalLM",
    "FlaxBartForConditionalGeneration",
    "FlaxBartForQuestionAnswering",
    "FlaxBartForSequenceClassification",
    "FlaxBartModel",
    "FlaxBartPreTrainedModel",
    "FlaxBlenderbotForCausalLM",
    "FlaxBlenderbotForConditionalGeneration",
    "FlaxBlenderbotModel",
    "FlaxBlenderbotPreTrainedModel",
    "FlaxBlenderbotSmallForCausalLM",
    "FlaxBlenderbotSmallForConditionalGeneration",
    "FlaxBlenderbotSmallModel",
    "FlaxBlenderbotSmallPreTrainedModel",
    "shift_tokens_right",
]

FlaxBartEncoder = FlaxBlenderbotEncoder = FlaxBlenderbotSmallEncoder = modeling.Encoder
FlaxBartDecoder = FlaxBlenderbotDecoder = FlaxBlenderbotSmallDecoder = modeling.Decoder
FlaxBartModule = FlaxBlenderbotModule = FlaxBlenderbotSmallModule = heads.Seq2SeqModel
FlaxBartForConditionalGenerationModule = heads.ConditionalGeneration
FlaxBlenderbotForConditionalGenerationModule = heads.ConditionalGeneration
FlaxBlenderbotSmallForConditionalGenerationModule = heads.ConditionalGeneration
FlaxBartForSequenceClassificationModule = readers.SequenceClassification
FlaxBartForQuestionAnsweringModule = readers.QuestionAnswering
FlaxBartDecoderWrapper = causal.DecoderOnly
FlaxBartForCausalLMModule = FlaxBlenderbotForCausalLMModule = FlaxBlenderbotSmallForCausalLMModule = causal.CausalLM


class FlaxBartPreTrainedModel(model.Model):
    """What all BART models are."""

    config_class = BartConfig


class FlaxBartModel(FlaxBartPreTrainedModel, surface.EncoderDecoder):
    """BART without a head."""


class FlaxBartForConditionalGeneration(FlaxBartPreTrainedModel, writing.Writer):
    """BART that writes: summaries, filled masks, translations."""


class FlaxBartForSequenceClassification(FlaxBartPreTrainedModel, surface.EncoderDecoder):
    """BART that labels texts."""

    module_class = readers.SequenceClassification
    table_head = "sequence_classification"


class FlaxBartForQuestionAnswering(FlaxBartPreTrainedModel, surface.EncoderDecoder):
    """BART that finds answers in a text."""

    module_class = readers.QuestionAnswering
    table_head = "question_answering"


class FlaxBartDecoderPreTrainedModel(FlaxBartPreTrainedModel, writing.LanguageModel):
    """What BART's decoder alone is."""


class FlaxBartForCausalLM(FlaxBartDecoderPreTrainedModel):
    """BART's decoder as a language model."""


class FlaxBlenderbotPreTrainedModel(model.Model):
    """What all Blenderbot models are."""

    config_class = BlenderbotConfig


class FlaxBlenderbotModel(FlaxBlenderbotPreTrainedModel, surface.EncoderDecoder):
    """Blenderbot without a head."""


class FlaxBlenderbotForConditionalGeneration(FlaxBlenderbotPreTrainedModel, writing.Writer):
    """Blenderbot that replies."""


class FlaxBlenderbotForCausalLM(FlaxBlenderbotPreTrainedModel, writing.LanguageModel):
    """Blenderbot's decoder as a language model."""


class FlaxBlenderbotSmallPreTrainedModel(model.Model):
    """What all Blenderbot-Small models are."""

    config_class = BlenderbotSmallConfig


class FlaxBlenderbotSmallModel(FlaxBlenderbotSmallPreTrainedModel, surface.EncoderDecoder):
    """Blenderbot-Small without a head."""


class FlaxBlenderbotSmallForConditionalGeneration(FlaxBlenderbotSmallPreTrainedModel, writing.Writer):
    """Blenderbot-Small that replies."""

    @explained
    def decode(  # published so: `deterministic` stands where the others have `train`
        self,
        decoder_input_ids: Any,
        encoder_outputs: Any,
        encoder_attention_mask: Any = None,
        decoder_attention_mask: Any = None,
        decoder_position_ids: Any = None,
        past_key_values: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        deterministic: bool = True,
        params: Params | None = None,
        dropout_rng: Array | None = None,
    ) -> ModelOutput | tuple[Any, ...]:
        """As of the other models, but `deterministic` is the opposite of their `train`."""
        return super().decode(
            decoder_input_ids,
            encoder_outputs,
            encoder_attention_mask,
            decoder_attention_mask,
            decoder_position_ids,
            past_key_values,
            output_attentions,
            output_hidden_states,
            return_dict,
            not deterministic,
            params,
            dropout_rng,
        )


class FlaxBlenderbotSmallForCausalLM(FlaxBlenderbotSmallPreTrainedModel, writing.LanguageModel):
    """Blenderbot-Small's decoder as a language model."""
