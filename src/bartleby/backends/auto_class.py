"""The class for a checkpoint, picked by the `model_type` in its config.json: what the auto classes share."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

from bartleby.errors import ConfigError, OptionError
from bartleby.family.config import AutoConfig, PreTrainedConfig
from bartleby.hub import take_hub_options

Model = TypeVar("Model")
Mapping = dict[type[PreTrainedConfig], type[Any]]


class AutoClass(Generic[Model]):
    """Base of the auto classes, which are not instantiated: they hand out models of `_model_mapping`."""

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
        chosen: Any = cls._class_for(known)
        loaded: Model = chosen.from_pretrained(pretrained_model_name_or_path, *model_args, config=config, **kwargs)
        return loaded

    @classmethod
    def from_config(cls, config: PreTrainedConfig, **kwargs: Any) -> Model:
        """A model of the right class with weights drawn at random; `kwargs` are `dtype` and its like."""
        chosen: Any = cls._class_for(config)
        made: Model = chosen._from_config(config, **kwargs)
        return made

    @classmethod
    def register(cls, config_class: type[PreTrainedConfig], model_class: type[Any], exist_ok: bool = False) -> None:
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


def register_own(model_class: type[Any], auto_class: str | type, doors: ModuleType) -> None:
    """Let an auto class of the module `doors` hand out a caller's class, for configs of its `config_class`.

    Raises: OptionError if there is no such auto class.
    """
    name = auto_class if isinstance(auto_class, str) else auto_class.__name__
    door = getattr(doors, name, None)
    if not isinstance(door, type) or not issubclass(door, AutoClass):
        raise OptionError(f"`auto_class` must name an auto class such as 'AutoModel', but is {name!r}.")
    door.register(model_class.config_class, model_class, exist_ok=True)
