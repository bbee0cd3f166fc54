"""The class for a checkpoint, picked by the `model_type` in its config.json."""

from __future__ import annotations

from bartleby.backends.auto_class import AutoClass, Mapping
from bartleby.backends.flax import models
from bartleby.backends.flax.pretrained import FlaxPreTrainedModel
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig

FLAX_MODEL_MAPPING: Mapping = {
    BartConfig: models.FlaxBartModel,
    BlenderbotConfig: models.FlaxBlenderbotModel,
    BlenderbotSmallConfig: models.FlaxBlenderbotSmallModel,
}
FLAX_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING: Mapping = {
    BartConfig: models.FlaxBartForConditionalGeneration,
    BlenderbotConfig: models.FlaxBlenderbotForConditionalGeneration,
    BlenderbotSmallConfig: models.FlaxBlenderbotSmallForConditionalGeneration,
}
FLAX_MODEL_FOR_CAUSAL_LM_MAPPING: Mapping = {
    BartConfig: models.FlaxBartForCausalLM,
    BlenderbotConfig: models.FlaxBlenderbotForCausalLM,
    BlenderbotSmallConfig: models.FlaxBlenderbotSmallForCausalLM,
}
FLAX_MODEL_FOR_PRETRAINING_MAPPING: Mapping = {BartConfig: models.FlaxBartForConditionalGeneration}
FLAX_MODEL_FOR_MASKED_LM_MAPPING: Mapping = {BartConfig: models.FlaxBartForConditionalGeneration}
FLAX_MODEL_WITH_LM_HEAD_MAPPING: Mapping = dict(FLAX_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)
FLAX_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING: Mapping = {BartConfig: models.FlaxBartForSequenceClassification}
FLAX_MODEL_FOR_QUESTION_ANSWERING_MAPPING: Mapping = {BartConfig: models.FlaxBartForQuestionAnswering}


class FlaxAutoModel(AutoClass[FlaxPreTrainedModel]):
    """Without a head."""

    _model_mapping = FLAX_MODEL_MAPPING


class FlaxAutoModelForSeq2SeqLM(AutoClass[FlaxPreTrainedModel]):
    """That writes: replies, summaries."""

    _model_mapping = FLAX_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING


class FlaxAutoModelForPreTraining(AutoClass[FlaxPreTrainedModel]):
    """With the head that it was pretrained with."""

    _model_mapping = FLAX_MODEL_FOR_PRETRAINING_MAPPING


class FlaxAutoModelForMaskedLM(AutoClass[FlaxPreTrainedModel]):
    """That fills masks."""

    _model_mapping = FLAX_MODEL_FOR_MASKED_LM_MAPPING


class FlaxAutoModelWithLMHead(AutoClass[FlaxPreTrainedModel]):
    """The older name of FlaxAutoModelForSeq2SeqLM, for this family."""

    _model_mapping = FLAX_MODEL_WITH_LM_HEAD_MAPPING


class FlaxAutoModelForCausalLM(AutoClass[FlaxPreTrainedModel]):
    """The decoder as a language model."""

    _model_mapping = FLAX_MODEL_FOR_CAUSAL_LM_MAPPING


class FlaxAutoModelForSequenceClassification(AutoClass[FlaxPreTrainedModel]):
    """That labels texts."""

    _model_mapping = FLAX_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING


class FlaxAutoModelForQuestionAnswering(AutoClass[FlaxPreTrainedModel]):
    """That finds answers in a text."""

    _model_mapping = FLAX_MODEL_FOR_QUESTION_ANSWERING_MAPPING
