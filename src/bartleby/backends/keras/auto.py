"""The class for a checkpoint, picked by the `model_type` in its config.json."""

from __future__ import annotations

from bartleby.backends.auto_class import AutoClass, Mapping
from bartleby.backends.keras import models
from bartleby.backends.keras.pretrained import TFPreTrainedModel
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig

TF_MODEL_MAPPING: Mapping = {
    BartConfig: models.TFBartModel,
    BlenderbotConfig: models.TFBlenderbotModel,
    BlenderbotSmallConfig: models.TFBlenderbotSmallModel,
}
TF_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING: Mapping = {
    BartConfig: models.TFBartForConditionalGeneration,
    BlenderbotConfig: models.TFBlenderbotForConditionalGeneration,
    BlenderbotSmallConfig: models.TFBlenderbotSmallForConditionalGeneration,
}
TF_MODEL_FOR_CAUSAL_LM_MAPPING: Mapping = {
    BartConfig: models.TFBartForCausalLM,
    BlenderbotConfig: models.TFBlenderbotForCausalLM,
    BlenderbotSmallConfig: models.TFBlenderbotSmallForCausalLM,
}
TF_MODEL_FOR_PRETRAINING_MAPPING: Mapping = {BartConfig: models.TFBartForConditionalGeneration}
TF_MODEL_FOR_MASKED_LM_MAPPING: Mapping = {BartConfig: models.TFBartForConditionalGeneration}
TF_MODEL_WITH_LM_HEAD_MAPPING: Mapping = dict(TF_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)
TF_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING: Mapping = {BartConfig: models.TFBartForSequenceClassification}
TF_MODEL_FOR_QUESTION_ANSWERING_MAPPING: Mapping = {BartConfig: models.TFBartForQuestionAnswering}


class TFAutoModel(AutoClass[TFPreTrainedModel]):
    """Without a head."""

    _model_mapping = TF_MODEL_MAPPING


class TFAutoModelForSeq2SeqLM(AutoClass[TFPreTrainedModel]):
    """That writes: replies, summaries."""

    _model_mapping = TF_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING


class TFAutoModelForPreTraining(AutoClass[TFPreTrainedModel]):
    """With the head that it was pretrained with."""

    _model_mapping = TF_MODEL_FOR_PRETRAINING_MAPPING


class TFAutoModelForMaskedLM(AutoClass[TFPreTrainedModel]):
    """That fills masks."""

    _model_mapping = TF_MODEL_FOR_MASKED_LM_MAPPING


class TFAutoModelWithLMHead(AutoClass[TFPreTrainedModel]):
    """The older name of TFAutoModelForSeq2SeqLM, for this family."""

    _model_mapping = TF_MODEL_WITH_LM_HEAD_MAPPING


class TFAutoModelForCausalLM(AutoClass[TFPreTrainedModel]):
    """The decoder as a language model."""

    _model_mapping = TF_MODEL_FOR_CAUSAL_LM_MAPPING


class TFAutoModelForSequenceClassification(AutoClass[TFPreTrainedModel]):
    """That labels texts."""

    _model_mapping = TF_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING


class TFAutoModelForQuestionAnswering(AutoClass[TFPreTrainedModel]):
    """That finds answers in a text."""

    _model_mapping = TF_MODEL_FOR_QUESTION_ANSWERING_MAPPING
