"""The published TensorFlow classes: each binds a configuration to a stack or a head."""

from __future__ import annotations

from bartleby.backends.keras import heads, model, modeling
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig


class TFBartPreTrainedModel(model.Model):
    """What all BART models are."""

    config_class = BartConfig


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
