"""The tokenizer of a checkpoint, picked by what its files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bartleby import hub
from bartleby.errors import TokenizerError
from bartleby.family.config import PreTrainedConfig
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer, BlenderbotSmallTokenizerFast
from bartleby.tokenization.byte_level import (
    BartTokenizer,
    BartTokenizerFast,
    BlenderbotTokenizer,
    BlenderbotTokenizerFast,
    RobertaTokenizer,
    RobertaTokenizerFast,
)
from bartleby.tokenization.files import StrPath
from bartleby.tokenization.saving import CONFIG, optional_json

TOKENIZER_CLASSES: dict[str, type[PreTrainedTokenizer]] = {
    "BartTokenizer": BartTokenizer,
    "BartTokenizerFast": BartTokenizerFast,
    "BlenderbotTokenizer": BlenderbotTokenizer,
    "BlenderbotTokenizerFast": BlenderbotTokenizerFast,
    "BlenderbotSmallTokenizer": BlenderbotSmallTokenizer,
    "BlenderbotSmallTokenizerFast": BlenderbotSmallTokenizerFast,
    "RobertaTokenizer": RobertaTokenizer,
    "RobertaTokenizerFast": RobertaTokenizerFast,
}
BY_MODEL_TYPE: dict[str, type[PreTrainedTokenizer]] = {
    "bart": BartTokenizer,
    "blenderbot": BlenderbotTokenizer,
    "blenderbot-small": BlenderbotSmallTokenizer,
}
# What newer releases write into tokenizer_config.json in place of a model's own class.
NAMELESS = {"TokenizersBackend", "PreTrainedTokenizerFast", "PreTrainedTokenizer", "PythonBackend"}


class AutoTokenizer:
    """Not a tokenizer itself: `AutoTokenizer.from_pretrained` answers with one."""

    def __init__(self) -> None:
        raise TokenizerError("AutoTokenizer is not made directly. Use AutoTokenizer.from_pretrained(name_or_folder).")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: StrPath, *inputs: Any, use_fast: bool = True, **kwargs: Any
    ) -> PreTrainedTokenizer:
        """The tokenizer of a folder, a hub name or a checkpoint shipped with this package.

        The class is that of tokenizer_config.json, else that of config.json's model_type; as published its `…Fast`
        subclass, unless `use_fast` is False. Both give the same ids. `kwargs` go to its `from_pretrained`.
        Raises: TokenizerError for a model outside this family.
        """
        folder = hub.resolve(pretrained_model_name_or_path, weights=False, **hub.take_hub_options(dict(kwargs)))
        picked = tokenizer_class(folder)
        name = picked.__name__.removesuffix("Fast") + ("Fast" if use_fast else "")
        picked = TOKENIZER_CLASSES.get(name, picked)
        kwargs.pop("force_download", None)  # done above; once is enough
        return picked.from_pretrained(pretrained_model_name_or_path, *inputs, **kwargs)

    @classmethod
    def register(
        cls,
        config_class: type[PreTrainedConfig],
        slow_tokenizer_class: type[PreTrainedTokenizer] | None = None,
        fast_tokenizer_class: type[PreTrainedTokenizer] | None = None,
        exist_ok: bool = False,
    ) -> None:
        """Let `from_pretrained` answer with classes of your own: by their names, and by a config's model type.

        Raises: TokenizerError for a model type that has a tokenizer, or a name that another class has, unless
            `exist_ok`.
        """
        given = [each for each in (slow_tokenizer_class, fast_tokenizer_class) if each is not None]
        if not given:
            raise TokenizerError("Give `slow_tokenizer_class` or `fast_tokenizer_class`.")
        if config_class.model_type in BY_MODEL_TYPE and not exist_ok:
            raise TokenizerError(f"{config_class.model_type!r} has a tokenizer. Pass exist_ok=True to replace it.")
        taken = [each.__name__ for each in given if TOKENIZER_CLASSES.get(each.__name__, each) is not each]
        if taken and not exist_ok:
            raise TokenizerError(f"{taken[0]} is the name of another tokenizer. Pass exist_ok=True to replace it.")
        TOKENIZER_CLASSES.update({each.__name__: each for each in given})
        BY_MODEL_TYPE[config_class.model_type] = given[0]


def tokenizer_class(folder: Path) -> type[PreTrainedTokenizer]:
    """The class a folder's files ask for.

    Raises: TokenizerError naming what is supported.
    """
    tokenizer_config, config = optional_json(folder / CONFIG), optional_json(folder / "config.json")
    names = (said.get("tokenizer_class") for said in (tokenizer_config, config))
    name = next((name for name in names if isinstance(name, str) and name and name not in NAMELESS), None)
    if name in TOKENIZER_CLASSES:
        return TOKENIZER_CLASSES[name]
    if name is not None:
        raise TokenizerError(f"{folder} asks for {name}; supported are {', '.join(TOKENIZER_CLASSES)}.")
    model_type = config.get("model_type")
    if isinstance(model_type, str) and model_type in BY_MODEL_TYPE:
        return BY_MODEL_TYPE[model_type]
    said = f"config.json says model_type {model_type!r}" if model_type else f"it has no {CONFIG} and no model_type"
    raise TokenizerError(
        f"{folder} does not say which tokenizer it needs: {said}; supported are {', '.join(BY_MODEL_TYPE)}. "
        "Use BartTokenizer.from_pretrained or another class itself."
    )
