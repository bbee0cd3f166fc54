"""The class for a checkpoint, picked by the `model_type` in its config.json."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Generic, TypeVar

from bartleby.backends.pytorch import causal, heads, models, readers
from bartleby.backends.pytorch.pretrained import PreTrainedModel
from bartleby.errors import ConfigError
from bartleby.family.config import AutoConfig, BartConfig, BlenderbotConfig, BlenderbotSmallConfig, PreTrainedConfig
from bartleby.hub import take_hub_options

Model = TypeVar("Model", bound=PreTrainedModel)
Mapping = dict[type[PreTrainedConfig], type[PreTrainedModel]]

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


class AutoClass(Generic[Model]):
    """Base of the classes below, which are not instantiated: they hand out models of `_model_mapping`."""

    _model_mapping: ClassVar[Mapping] = {}

    def __init__(self) -> None:
        name = type(self).__name__
        raise TypeError(f"{name} has no instances. Use {name}.from_pretrained or {name}.from_config.")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *model_args: Any,
        config: PreTrainedConfig | str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> Model:
        """What `from_pretrained` of the right class gives.

        Raises: as that does; ConfigError if none of the classes is for this type of model.
        """
        known = config
        if not isinstance(known, PreTrainedConfig):
            where = take_hub_options(dict(kwargs))
            known = AutoConfig.from_pretrained(known or pretrained_model_name_or_path, **where)
        chosen = cls._class_for(known)
        return chosen.from_pretrained(pretrained_model_name_or_path, *model_args, config=config, **kwargs)

    @classmethod
    def from_config(cls, config: PreTrainedConfig, **kwargs: Any) -> Model:
        """A model of the right class with weights drawn at random; `kwargs` are `dtype` and its like."""
        return cls._class_for(config)._from_config(config, **kwargs)

    @classmethod
    def register(
        cls, config_class: type[PreTrainedConfig], model_class: type[PreTrainedModel], exist_ok: bool = False
    ) -> None:
        """Let this class hand out models of your own, for configs of your own (see `AutoConfig.register`).

        Raises: ConfigError if the model is built from other configs, or if configs of that class have a model already
            and `exist_ok` does not say that it shall be replaced.
        """
        if model_class.config_class is not config_class:
            wanted = model_class.config_class.__name__
            raise ConfigError(f"`config_class` must be {wanted}, which {model_class.__name__} is built from.")
        if config_class in cls._model_mapping and not exist_ok:
            known = cls._model_mapping[config_class].__name__
            raise ConfigError(f"{config_class.__name__} has {known} already. Pass `exist_ok=True` to replace it.")
        cls._model_mapping[config_class] = model_class

    @classmethod
    def _class_for(cls, config: PreTrainedConfig) -> type[Model]:
        """That of the config's class, or of the nearest it is derived from."""
        found: Any = next(
            (cls._model_mapping[each] for each in type(config).__mro__ if each in cls._model_mapping), None
        )
        if found is None:
            names = ", ".join(each.model_type for each in cls._model_mapping)
            given = getattr(config, "model_type", type(config).__name__)
            raise ConfigError(f"`model_type` must be one of {names} for {cls.__name__}, but is {given!r}.")
        chosen: type[Model] = found
        return chosen


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
