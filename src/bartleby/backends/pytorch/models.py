"""The published PyTorch classes: each binds a configuration to a head of heads.py."""

from __future__ import annotations

from bartleby.backends.pytorch import heads
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig


class BartModel(heads.Seq2SeqModel):
    """BART without a head."""

    config_class = BartConfig


class BartForConditionalGeneration(heads.ConditionalGeneration):
    """BART that writes: summaries, filled masks, translations."""

    config_class = BartConfig
    bare_class = BartModel


class BartForSequenceClassification(heads.SequenceClassification):
    """BART that labels texts."""

    config_class = BartConfig
    bare_class = BartModel


class BartForQuestionAnswering(heads.QuestionAnswering):
    """BART that finds answers in a text."""

    config_class = BartConfig
    bare_class = BartModel


class BartForCausalLM(heads.CausalLM):
    """BART's decoder as a language model."""

    config_class = BartConfig


class BlenderbotModel(heads.Seq2SeqModel):
    """Blenderbot without a head."""

    config_class = BlenderbotConfig


class BlenderbotForConditionalGeneration(heads.ConditionalGeneration):
    """Blenderbot that replies."""

    config_class = BlenderbotConfig
    bare_class = BlenderbotModel


class BlenderbotForCausalLM(heads.CausalLM):
    """Blenderbot's decoder as a language model."""

    config_class = BlenderbotConfig


class BlenderbotSmallModel(heads.Seq2SeqModel):
    """Blenderbot-Small without a head."""

    config_class = BlenderbotSmallConfig


class BlenderbotSmallForConditionalGeneration(heads.ConditionalGeneration):
    """Blenderbot-Small that replies."""

    config_class = BlenderbotSmallConfig
    bare_class = BlenderbotSmallModel


class BlenderbotSmallForCausalLM(heads.CausalLM):
    """Blenderbot-Small's decoder as a language model."""

    config_class = BlenderbotSmallConfig
