"""The class for a checkpoint, picked by the `model_type` in its config.json."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Generic, TypeVar

from bartleby.backends.pytorch import causal, heads, models, readers
from bartleby.backends.pytorch.pretrained import PreTrainedModel
from bartleby.errors import ConfigError
from bartleby.family.config import AutoConfig, PreTrainedConfig

Model = TypeVar("Model", bound=PreTrainedModel)
HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "token", "revision")


class AutoClass(Generic[Model]):
    """Base of the classes below, which are not instantiated: they hand out instances of `models`."""

    models: ClassVar[tuple[type[PreTrainedModel], ...]] = ()

    def __init__(self) -> None:
        name = type(self).__name__
        raise TypeError(f"{name} has no instances. Use {name}.from_pretrained or {name}.from_config.")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        config: PreTrainedConfig | str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> Model:
        """What `from_pretrained` of the right class gives.

        Raises: as that does; ConfigError if none of the classes is for this type of model.
        """
        known = config
        if not isinstance(known, PreTrainedConfig):
            where = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
            known = AutoConfig.from_pretrained(known or pretrained_model_name_or_path, **where)
        return cls._class_for(known).from_pretrained(pretrained_model_name_or_path, config=config, **kwargs)

    @classmethod
    def from_config(cls, config: PreTrainedConfig) -> Model:
        """A model of the right class with weights drawn at random."""
        return cls._class_for(config)(config)

    @classmethod
    def _class_for(cls, config: PreTrainedConfig) -> type[Model]:
        by_type: dict[str, Any] = {each.config_class.model_type: each for each in cls.models}
        if config.model_type not in by_type:
            raise ConfigError(
                f"`model_type` must be one of {', '.join(by_type)} for {cls.__name__}, but is {config.model_type!r}."
            )
        found: type[Model] = by_type[config.model_type]
        return found


class AutoModel(AutoClass[heads.Seq2SeqModel]):
    """Without a head."""

    models = (models.BartModel, models.BlenderbotModel, models.BlenderbotSmallModel)


class AutoModelForSeq2SeqLM(AutoClass[heads.ConditionalGeneration]):
    """That writes: replies, summaries."""

    models = (
        models.BartForConditionalGeneration,
        models.BlenderbotForConditionalGeneration,
        models.BlenderbotSmallForConditionalGeneration,
    )


class AutoModelForCausalLM(AutoClass[causal.CausalLM]):
    """The decoder as a language model."""

    models = (models.BartForCausalLM, models.BlenderbotForCausalLM, models.BlenderbotSmallForCausalLM)


class AutoModelForSequenceClassification(AutoClass[readers.SequenceClassification]):
    """That labels texts."""

    models = (models.BartForSequenceClassification,)


class AutoModelForQuestionAnswering(AutoClass[readers.QuestionAnswering]):
    """That finds answers in a text."""

    models = (models.BartForQuestionAnswering,)
