"""The published PyTorch classes: each binds a configuration to a stack or a head."""

from __future__ import annotations

from bartleby.backends.pytorch import causal, heads, layers, model, modeling, readers
from bartleby.backends.pytorch.decoding.entry_points import EntryPoints
from bartleby.backends.pytorch.passing import shift_tokens_right
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig

__all__ = [
    "BartAttention",
    "BartClassificationHead",
    "BartDecoder",
    "BartDecoderLayer",
    "BartDecoderWrapper",
    "BartEncoder",
    "BartEncoderLayer",
    "BartForCausalLM",
    "BartForConditionalGeneration",
    "BartForQuestionAnswering",
    "BartForSequenceClassification",
    "BartLearnedPositionalEmbedding",
    "BartModel",
    "BartPreTrainedModel",
    "BartPretrainedModel",
    "BartScaledWordEmbedding",
    "BlenderbotDecoder",
    "BlenderbotDecoderWrapper",
    "BlenderbotEncoder",
    "BlenderbotForCausalLM",
    "BlenderbotForConditionalGeneration",
    "BlenderbotModel",
    "BlenderbotPreTrainedModel",
    "BlenderbotSmallDecoder",
    "BlenderbotSmallDecoderWrapper",
    "BlenderbotSmallEncoder",
    "BlenderbotSmallForCausalLM",
    "BlenderbotSmallForConditionalGeneration",
    "BlenderbotSmallModel",
    "BlenderbotSmallPreTrainedModel",
    "GenerationMixin",
    "PretrainedBartModel",
    "shift_tokens_right",
]

BartScaledWordEmbedding = BlenderbotScaledWordEmbedding = layers.TokenEmbedding
BartLearnedPositionalEmbedding = layers.LearnedPositions
BartAttention = layers.Attention
BartEncoderLayer = layers.EncoderLayer
BartDecoderLayer = layers.DecoderLayer
BartClassificationHead = readers.ClassificationHead
BlenderbotLearnedPositionalEmbedding = BlenderbotSmallLearnedPositionalEmbedding = layers.LearnedPositions
BlenderbotAttention = BlenderbotSmallAttention = layers.Attention
BlenderbotEncoderLayer = BlenderbotSmallEncoderLayer = layers.EncoderLayer
BlenderbotDecoderLayer = BlenderbotSmallDecoderLayer = layers.DecoderLayer


class BartPreTrainedModel(model.Model):
    """What all BART models are."""

    config_class = BartConfig


class BartEncoder(BartPreTrainedModel, modeling.Encoder):
    """BART's encoder alone."""


class BartDecoder(BartPreTrainedModel, modeling.Decoder):
    """BART's decoder alone, without an output."""


class BartModel(BartPreTrainedModel, heads.Seq2SeqModel):
    """BART without a head."""

    encoder_class = BartEncoder
    decoder_class = BartDecoder


class BartForConditionalGeneration(BartPreTrainedModel, heads.ConditionalGeneration):
    """BART that writes: summaries, filled masks, translations."""

    bare_class = BartModel


class BartForSequenceClassification(BartPreTrainedModel, readers.SequenceClassification):
    """BART that labels texts."""

    bare_class = BartModel


class BartForQuestionAnswering(BartPreTrainedModel, readers.QuestionAnswering):
    """BART that finds answers in a text."""

    bare_class = BartModel


class BartDecoderWrapper(causal.DecoderOnly):
    """BART's decoder under the name it has in a full checkpoint."""

    decoder_class = BartDecoder


class BartForCausalLM(BartPreTrainedModel, causal.CausalLM):
    """BART's decoder as a language model."""

    wrapper_class = BartDecoderWrapper


class BlenderbotPreTrainedModel(model.Model):
    """What all Blenderbot models are."""

    config_class = BlenderbotConfig


class BlenderbotEncoder(BlenderbotPreTrainedModel, modeling.Encoder):
    """Blenderbot's encoder alone."""


class BlenderbotDecoder(BlenderbotPreTrainedModel, modeling.Decoder):
    """Blenderbot's decoder alone, without an output."""


class BlenderbotModel(BlenderbotPreTrainedModel, heads.Seq2SeqModel):
    """Blenderbot without a head."""

    encoder_class = BlenderbotEncoder
    decoder_class = BlenderbotDecoder


class BlenderbotForConditionalGeneration(BlenderbotPreTrainedModel, heads.ConditionalGeneration):
    """Blenderbot that replies."""

    bare_class = BlenderbotModel


class BlenderbotDecoderWrapper(causal.DecoderOnly):
    """Blenderbot's decoder under the name it has in a full checkpoint."""

    decoder_class = BlenderbotDecoder


class BlenderbotForCausalLM(BlenderbotPreTrainedModel, causal.CausalLM):
    """Blenderbot's decoder as a language model."""

    wrapper_class = BlenderbotDecoderWrapper


class BlenderbotSmallPreTrainedModel(model.Model):
    """What all Blenderbot-Small models are."""

    config_class = BlenderbotSmallConfig


class BlenderbotSmallEncoder(BlenderbotSmallPreTrainedModel, modeling.Encoder):
    """Blenderbot-Small's encoder alone."""


class BlenderbotSmallDecoder(BlenderbotSmallPreTrainedModel, modeling.Decoder):
    """Blenderbot-Small's decoder alone, without an output."""


class BlenderbotSmallModel(BlenderbotSmallPreTrainedModel, heads.Seq2SeqModel):
    """Blenderbot-Small without a head."""

    encoder_class = BlenderbotSmallEncoder
    decoder_class = BlenderbotSmallDecoder


class BlenderbotSmallForConditionalGeneration(BlenderbotSmallPreTrainedModel, heads.ConditionalGeneration):
    """Blenderbot-Small that replies."""

    bare_class = BlenderbotSmallModel


class BlenderbotSmallDecoderWrapper(causal.DecoderOnly):
    """Blenderbot-Small's decoder under the name it has in a full checkpoint."""

    decoder_class = BlenderbotSmallDecoder


class BlenderbotSmallForCausalLM(BlenderbotSmallPreTrainedModel, causal.CausalLM):
    """Blenderbot-Small's decoder as a language model."""

    wrapper_class = BlenderbotSmallDecoderWrapper


PretrainedBartModel = BartPretrainedModel = BartPreTrainedModel  # older spellings
GenerationMixin = EntryPoints  # all that decoding adds to a model, under its published name
