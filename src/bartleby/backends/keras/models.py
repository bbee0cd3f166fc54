"""The published TensorFlow classes: each binds a configuration to a stack or a head."""

from __future__ import annotations

from bartleby.backends.keras import causal, heads, model, modeling, readers
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig


class TFBartPreTrainedModel(model.Model):
    """What all BART models are."""

    config_class = BartConfig


TFBartPretrainedModel = TFBartPreTrainedModel
"""The published spelling."""


class TFBartEncoder(modeling.Encoder):
    """BART's encoder."""


class TFBartDecoder(modeling.Decoder):
    """BART's decoder, without an output."""


class TFBartModel(TFBartPreTrainedModel, heads.Seq2SeqModel):
    """BART without a head."""

    encoder_class = TFBartEncoder
    decoder_class = TFBartDecoder


class TFBartForConditionalGeneration(TFBartPreTrainedModel, heads.ConditionalGeneration):
    """BART that writes: summaries, filled masks, translations."""

    bare_class = TFBartModel


class TFBartForSequenceClassification(TFBartPreTrainedModel, readers.SequenceClassification):
    """BART that labels texts."""

    bare_class = TFBartModel


class TFBartForQuestionAnswering(TFBartPreTrainedModel, readers.QuestionAnswering):
    """BART that finds answers in a text."""

    bare_class = TFBartModel


class TFBartDecoderWrapper(causal.DecoderOnly):
    """BART's decoder under the name it has in a full checkpoint."""

    decoder_class = TFBartDecoder


class TFBartForCausalLM(TFBartPreTrainedModel, causal.CausalLM):
    """BART's decoder as a language model."""

    wrapper_class = TFBartDecoderWrapper


class TFBlenderbotPreTrainedModel(model.Model):
    """What all Blenderbot models are."""

    config_class = BlenderbotConfig


class TFBlenderbotEncoder(modeling.Encoder):
    """Blenderbot's encoder."""


class TFBlenderbotDecoder(modeling.Decoder):
    """Blenderbot's decoder, without an output."""


class TFBlenderbotModel(TFBlenderbotPreTrainedModel, heads.Seq2SeqModel):
    """Blenderbot without a head."""

    encoder_class = TFBlenderbotEncoder
    decoder_class = TFBlenderbotDecoder


class TFBlenderbotForConditionalGeneration(TFBlenderbotPreTrainedModel, heads.ConditionalGeneration):
    """Blenderbot that replies."""

    bare_class = TFBlenderbotModel


class TFBlenderbotDecoderWrapper(causal.DecoderOnly):
    """Blenderbot's decoder under the name it has in a full checkpoint."""

    decoder_class = TFBlenderbotDecoder


class TFBlenderbotForCausalLM(TFBlenderbotPreTrainedModel, causal.CausalLM):
    """Blenderbot's decoder as a language model."""

    wrapper_class = TFBlenderbotDecoderWrapper


class TFBlenderbotSmallPreTrainedModel(model.Model):
    """What all Blenderbot-Small models are."""

    config_class = BlenderbotSmallConfig


class TFBlenderbotSmallEncoder(modeling.Encoder):
    """Blenderbot-Small's encoder."""


class TFBlenderbotSmallDecoder(modeling.Decoder):
    """Blenderbot-Small's decoder, without an output."""


class TFBlenderbotSmallModel(TFBlenderbotSmallPreTrainedModel, heads.Seq2SeqModel):
    """Blenderbot-Small without a head."""

    encoder_class = TFBlenderbotSmallEncoder
    decoder_class = TFBlenderbotSmallDecoder


class TFBlenderbotSmallForConditionalGeneration(TFBlenderbotSmallPreTrainedModel, heads.ConditionalGeneration):
    """Blenderbot-Small that replies."""

    bare_class = TFBlenderbotSmallModel


class TFBlenderbotSmallDecoderWrapper(causal.DecoderOnly):
    """Blenderbot-Small's decoder under the name it has in a full checkpoint."""

    decoder_class = TFBlenderbotSmallDecoder


class TFBlenderbotSmallForCausalLM(TFBlenderbotSmallPreTrainedModel, causal.CausalLM):
    """Blenderbot-Small's decoder as a language model."""

    wrapper_class = TFBlenderbotSmallDecoderWrapper
