"""The class for a checkpoint, picked by the `model_type` in its config.json."""

from __future__ import annotations

from bartleby.backends.auto_class import AutoClass, Mapping
from bartleby.backends.pytorch import causal, heads, models, readers
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig

MODEL_MAPPING: Mapping = {
    BartConfig: models.BartModel,
    BlenderbotConfig: models.BlenderbotModel,
    BlenderbotSmallConfig: models.BlenderbotSmallModel,
}
MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING: Mapping = {
    BartConfig: models.BartForConditionalGeneration,
    BlenderbotConfig: models.BlenderbotForConditionalGeneration,
    BlenderbotSmallConfig: models.BlenderbotSmallForConditionalGeneration,
}
MODEL_FOR_CAUSAL_LM_MAPPING: Mapping = {
    BartConfig: models.BartForCausalLM,
    BlenderbotConfig: models.BlenderbotForCausalLM,
    BlenderbotSmallConfig: models.BlenderbotSmallForCausalLM,
}
MODEL_FOR_PRETRAINING_MAPPING: Mapping = {BartConfig: models.BartForConditionalGeneration}
MODEL_FOR_MASKED_LM_MAPPING: Mapping = {BartConfig: models.BartForConditionalGeneration}
MODEL_WITH_LM_HEAD_MAPPING: Mapping = dict(MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)
MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING: Mapping = {BartConfig: models.BartForSequenceClassification}
MODEL_FOR_QUESTION_ANSWERING_MAPPING: Mapping = {BartConfig: models.BartForQuestionAnswering}


class AutoModel(AutoClass[heads.Seq2SeqModel]):
    """Without a head."""

    _model_mapping = MODEL_MAPPING


class AutoModelForSeq2SeqLM(AutoClass[heads.ConditionalGeneration]):
    """That writes: replies, summaries."""

    _model_mapping = MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING


class AutoModelForPreTraining(AutoClass[heads.ConditionalGeneration]):
    """With the head that it was pretrained with."""

    _model_mapping = MODEL_FOR_PRETRAINING_MAPPING


class AutoModelForMaskedLM(AutoClass[heads.ConditionalGeneration]):
    """That fills masks."""

    _model_mapping = MODEL_FOR_MASKED_LM_MAPPING


class AutoModelWithLMHead(AutoClass[heads.ConditionalGeneration]):
    """The older name of AutoModelForSeq2SeqLM, for this family."""

    _model_mapping = MODEL_WITH_LM_HEAD_MAPPING


class AutoModelForCausalLM(AutoClass[causal.CausalLM]):
    """The decoder as a language model."""

    _model_mapping = MODEL_FOR_CAUSAL_LM_MAPPING


class AutoModelForSequenceClassification(AutoClass[readers.SequenceClassification]):
    """That labels texts."""

    _model_mapping = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING


class AutoModelForQuestionAnswering(AutoClass[readers.QuestionAnswering]):
    """That finds answers in a text."""

    _model_mapping = MODEL_FOR_QUESTION_ANSWERING_MAPPING
