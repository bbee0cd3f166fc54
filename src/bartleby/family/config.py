"""What a model of the family is made of: every published field, declared once, and the defaults of the three models.

The annotation of a field says what its value must be; the value beside it is BART's default (facebook/bart-large).
A model names what it does differently in `defaults` and the published order of its arguments in `arguments`.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_origin, get_type_hints

from bartleby.errors import ConfigError

CONFIG_FILE = "config.json"
LARGEST_SIZE = 2**24
MOST_PARAMETERS = 10**12
"""A hundred times the largest published Blender: beyond it a size is a slip of the keyboard, not a model."""

ACTIVATIONS = (
    "gelu",
    "gelu_new",
    "gelu_fast",
    "gelu_python",
    "gelu_pytorch_tanh",
    "quick_gelu",
    "relu",
    "relu6",
    "leaky_relu",
    "silu",
    "swish",
    "mish",
    "tanh",
    "sigmoid",
    "linear",
)
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")


@dataclass(frozen=True)
class Check:
    """What the value of a field must be: the words of the message, and the test."""

    wanted: str
    accepts: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_list_of_whole(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_is_whole(item) for item in value)


Size = Annotated[
    int, Check(f"a whole number from 1 to {LARGEST_SIZE}", lambda value: _is_whole(value) and 1 <= value <= LARGEST_SIZE)
]
Count = Annotated[int, Check("a whole number of at least 0", lambda value: _is_whole(value) and value >= 0)]
Probability = Annotated[float, Check("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)]
Deviation = Annotated[float, Check("a number of at least 0", lambda value: _is_number(value) and value >= 0)]
Flag = Annotated[bool, Check("true or false", lambda value: isinstance(value, bool))]
TokenId = Annotated[int | None, Check("a token id or None", lambda value: value is None or _is_whole(value))]
TokenIds = Annotated[
    int | list[int] | None,
    Check(
        "a token id, a list of them or None",
        lambda value: value is None or _is_whole(value) or _is_list_of_whole(value),
    ),
]
Text = Annotated[str | None, Check("a text or None", lambda value: value is None or isinstance(value, str))]
Activation = Annotated[str, Check(f"one of {', '.join(ACTIVATIONS)}", lambda value: value in ACTIVATIONS)]
ProblemType = Annotated[
    str | None, Check(f"None or one of {', '.join(PROBLEM_TYPES)}", lambda value: value in (None, *PROBLEM_TYPES))
]


class Alias:
    """A second published name of a field: reads and writes the first."""

    def __init__(self, field: str) -> None:
        self.field = field

    def __set_name__(self, owner: type[PreTrainedConfig], name: str) -> None:
        owner.attribute_map[name] = self.field

    def __get__(self, config: PreTrainedConfig | None, owner: type[PreTrainedConfig]) -> Any:
        return self if config is None else getattr(config, self.field)

    def __set__(self, config: PreTrainedConfig, value: Any) -> None:
        setattr(config, self.field, value)


class PreTrainedConfig:
    """The fields and methods all configurations share; build one of its subclasses.

    Fields it does not know are kept as attributes and written back, so a foreign file loses nothing.
    """

    model_type: ClassVar[str] = ""
    arguments: ClassVar[tuple[str, ...]] = ()
    """The constructor's arguments in their published order; all other fields go by name."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What this model does not take from the declarations below."""
    attribute_map: ClassVar[dict[str, str]] = {}
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    # Sizes
    vocab_size: Size = 50265
    max_position_embeddings: Size = 1024
    d_model: Size = 1024
    encoder_layers: Size = 12
    encoder_attention_heads: Size = 16
    encoder_ffn_dim: Size = 4096
    decoder_layers: Size = 12
    decoder_attention_heads: Size = 16
    decoder_ffn_dim: Size = 4096
    hidden_size = Alias("d_model")
    num_attention_heads = Alias("encoder_attention_heads")
    num_hidden_layers = Alias("encoder_layers")

    # How it computes
    activation_function: Activation = "gelu"
    scale_embedding: Flag = False
    is_encoder_decoder: Flag = True
    is_decoder: Flag = False
    add_cross_attention: Flag = False
    cross_attention_hidden_size: int | None = None
    tie_word_embeddings: Flag = True
    tie_encoder_decoder: Flag = False
    chunk_size_feed_forward: Count = 0
    pruned_heads: dict[int, list[int]] = {}  # noqa: RUF012  copied for every config
    use_cache: Flag = True

    # How it is trained
    dropout: Probability = 0.1
    attention_dropout: Probability = 0.0
    activation_dropout: Probability = 0.0
    encoder_layerdrop: Probability = 0.0
    decoder_layerdrop: Probability = 0.0
    init_std: Deviation = 0.02

    # Tokens with a meaning
    pad_token_id: TokenId = 1
    bos_token_id: TokenId = 0
    eos_token_id: TokenIds = 2
    decoder_start_token_id: TokenId = 2
    forced_bos_token_id: TokenId = None
    forced_eos_token_id: TokenIds = 2
    sep_token_id: TokenId = None

    # What it returns
    return_dict: Flag = True
    output_attentions: Flag = False
    output_hidden_states: Flag = False
    torchscript: Flag = False

    # Labels
    id2label: dict[int, str] | None = None
    label2id: dict[str, int] | None = None
    problem_type: ProblemType = None

    # Where it comes from
    architectures: list[str] | None = None
    dtype: Text = None
    torch_dtype = Alias("dtype")
    tokenizer_class: Text = None
    finetuning_task: Text = None
    prefix: Text = None
    task_specific_params: dict[str, Any] | None = None
    transformers_version: Text = None
    use_bfloat16: Flag = False
    tf_legacy_loss: Flag = False

    # Decoding, as releases before generation_config.json kept it here
    max_length: int = 20
    min_length: int = 0
    do_sample: bool = False
    early_stopping: bool | str = False
    num_beams: int = 1
    num_beam_groups: int = 1
    num_return_sequences: int = 1
    diversity_penalty: float = 0.0
    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    length_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    encoder_no_repeat_ngram_size: int = 0
    bad_words_ids: list[list[int]] | None = None
    suppress_tokens: list[int] | None = None
    begin_suppress_tokens: list[int] | None = None
    exponential_decay_length_penalty: tuple[int, float] | None = None
    remove_invalid_values: bool = False
    output_scores: bool = False
    return_dict_in_generate: bool = False

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        positional = dict(zip(self.arguments, arguments, strict=False))
        given = positional | fields
        for name, default in self.field_defaults().items():
            setattr(self, name, copy.deepcopy(given.pop(name, default)))
        self.num_labels = given.pop("num_labels", self.defaults.get("num_labels", 2))
        for name, value in given.items():
            setattr(self, name, value)

    @classmethod
    def field_defaults(cls) -> dict[str, Any]:
        """Every field of this model with its default."""
        hints = get_type_hints(cls, include_extras=True)
        names = [name for name, hint in hints.items() if get_origin(hint) is not ClassVar]
        return {name: cls.defaults.get(name, getattr(cls, name)) for name in names}

    @property
    def num_labels(self) -> int:
        """How many classes a classification head tells apart."""
        return len(self.id2label or ())

    @num_labels.setter
    def num_labels(self, count: int) -> None:
        if self.id2label is None or len(self.id2label) != count:
            self.id2label = {index: f"LABEL_{index}" for index in range(count)}
            self.label2id = {label: index for index, label in self.id2label.items()}


PretrainedConfig = PreTrainedConfig

_SIZE_ARGUMENTS = (
    "vocab_size",
    "max_position_embeddings",
    "encoder_layers",
    "encoder_ffn_dim",
    "encoder_attention_heads",
    "decoder_layers",
    "decoder_ffn_dim",
    "decoder_attention_heads",
    "encoder_layerdrop",
    "decoder_layerdrop",
)
_TRAINING_ARGUMENTS = (
    "activation_function",
    "d_model",
    "dropout",
    "attention_dropout",
    "activation_dropout",
    "init_std",
)


class BartConfig(PreTrainedConfig):
    """BART; the defaults are facebook/bart-large."""

    model_type = "bart"
    arguments = (
        *_SIZE_ARGUMENTS,
        *_TRAINING_ARGUMENTS,
        "classifier_dropout",
        "scale_embedding",
        "use_cache",
        "num_labels",
        "pad_token_id",
        "bos_token_id",
        "eos_token_id",
        "is_encoder_decoder",
        "decoder_start_token_id",
        "forced_eos_token_id",
    )
    defaults: ClassVar[Mapping[str, Any]] = {"num_labels": 3}

    classifier_dropout: Probability = 0.0


class BlenderbotConfig(PreTrainedConfig):
    """Blenderbot; the defaults are facebook/blenderbot-3B."""

    model_type = "blenderbot"
    arguments = (
        *_SIZE_ARGUMENTS,
        "use_cache",
        "is_encoder_decoder",
        *_TRAINING_ARGUMENTS,
        "decoder_start_token_id",
        "scale_embedding",
        "pad_token_id",
        "bos_token_id",
        "eos_token_id",
        "encoder_no_repeat_ngram_size",
        "forced_eos_token_id",
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 8008,
        "max_position_embeddings": 128,
        "d_model": 2560,
        "encoder_layers": 2,
        "encoder_attention_heads": 32,
        "encoder_ffn_dim": 10240,
        "decoder_layers": 24,
        "decoder_attention_heads": 32,
        "decoder_ffn_dim": 10240,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "decoder_start_token_id": 1,
        "encoder_no_repeat_ngram_size": 3,
    }


class BlenderbotSmallConfig(PreTrainedConfig):
    """Blenderbot-Small; the defaults are the shape of facebook/blenderbot_small-90M, but for its vocabulary."""

    model_type = "blenderbot-small"
    arguments = tuple(name for name in BlenderbotConfig.arguments if name != "encoder_no_repeat_ngram_size")
    defaults: ClassVar[Mapping[str, Any]] = {
        "max_position_embeddings": 512,
        "d_model": 512,
        "encoder_layers": 8,
        "encoder_ffn_dim": 2048,
        "decoder_layers": 8,
        "decoder_ffn_dim": 2048,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "decoder_start_token_id": 1,
    }


CONFIG_CLASSES: dict[str, type[PreTrainedConfig]] = {
    config_class.model_type: config_class for config_class in (BartConfig, BlenderbotConfig, BlenderbotSmallConfig)
}


def config_from_dict(fields: Mapping[str, Any]) -> PreTrainedConfig:
    """The config that a `config.json` describes, of the class its `model_type` names."""
    known = dict(fields)
    return CONFIG_CLASSES[known.pop("model_type")](**known)
