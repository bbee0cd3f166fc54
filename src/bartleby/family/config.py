"""What a model of the family is made of: every published field, declared once, and the defaults of the three models.

The annotation of a field says what its value must be; the value beside it is BART's default (facebook/bart-large).
A model names what it does differently in `defaults`, and the published order of its arguments in `arguments`.
How a config is built, compared, read and written: `bartleby.family.record`.
"""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from bartleby.errors import ConfigError, raise_all
from bartleby.family.architecture import share_architecture
from bartleby.family.fields import (
    SIZE,
    Activation,
    Alias,
    Amount,
    Count,
    Deviation,
    Flag,
    Mapped,
    Probability,
    ProblemType,
    Size,
    Text,
    TokenId,
    TokenIds,
    Width,
    dtype_name,
)
from bartleby.family.record import Record, StrPath

MOST_PARAMETERS = 10**12
"""A hundred times the largest published Blender: sizes beyond it are a slip of the keyboard."""

SIZE_FIELDS = (
    "vocab_size",
    "max_position_embeddings",
    "d_model",
    "encoder_layers",
    "encoder_ffn_dim",
    "decoder_layers",
    "decoder_ffn_dim",
)
LABEL_FIELDS = ("num_labels", "id2label", "label2id")
VOCABULARY_FIELDS = (
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
)
UNSUPPORTED: dict[str, Any] = {"tie_encoder_decoder": False}
"""Published fields that would change the model, at the only value any published checkpoint of the family has."""


class PreTrainedConfig(Record):
    """The fields of every model. Build one of the subclasses; `from_pretrained` here picks it by `model_type`."""

    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]
    is_composition: ClassVar[bool] = False
    remarks = ("num_hidden_layers",)  # version 4 wrote it beside `encoder_layers` and never built anything from it

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        parent = next(base for base in cls.__mro__[1:] if issubclass(base, PreTrainedConfig))
        share_architecture(cls.model_type, parent.model_type)

    # Sizes
    vocab_size: Size = 50265
    max_position_embeddings: Size = 1024
    d_model: Width = 1024
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
    cross_attention_hidden_size: Any = None
    tie_word_embeddings: Flag = True
    tie_encoder_decoder: Flag = False
    chunk_size_feed_forward: Count = 0
    pruned_heads: Mapped = {}  # noqa: RUF012  copied for every config
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

    # Labels; made from `num_labels` when none are given
    default_num_labels: ClassVar[int] = 2
    id2label: dict[int, str] | None = None
    label2id: dict[str, int] | None = None
    problem_type: ProblemType = None

    # Where it comes from
    architectures: Any = None
    dtype: Text = None
    torch_dtype = Alias("dtype")
    tokenizer_class: Text = None
    finetuning_task: Text = None
    prefix: Text = None
    task_specific_params: Any = None
    transformers_version: Text = None
    use_bfloat16: Flag = False
    tf_legacy_loss: Flag = False

    # Decoding: older files keep here what generation_config.json holds now; GenerationConfig checks it
    max_length: Amount = 20
    min_length: Amount = 0
    do_sample: Flag = False
    early_stopping: Any = False
    num_beams: Amount = 1
    num_beam_groups: Amount = 1
    num_return_sequences: Amount = 1
    diversity_penalty: Amount = 0.0
    temperature: Amount = 1.0
    top_k: Amount = 50
    top_p: Amount = 1.0
    typical_p: Amount = 1.0
    repetition_penalty: Amount = 1.0
    length_penalty: Amount = 1.0
    no_repeat_ngram_size: Amount = 0
    encoder_no_repeat_ngram_size: Amount = 0
    bad_words_ids: Any = None
    suppress_tokens: Any = None
    begin_suppress_tokens: Any = None
    exponential_decay_length_penalty: Any = None
    remove_invalid_values: Flag = False
    output_scores: Flag = False
    return_dict_in_generate: Flag = False

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        if not self.model_type:
            names = ", ".join(each.__name__ for each in CONFIG_CLASSES.values())
            raise ConfigError(f"PreTrainedConfig describes no model. Use one of {names}.")
        super().__init__(*arguments, **fields)

    def __setattr__(self, name: str, value: Any) -> None:
        # kept by name: a config needs no framework, and JSON has no other form
        super().__setattr__(name, dtype_name(value) if name == "dtype" else value)

    @property
    def num_labels(self) -> int:
        """How many classes a classification head tells apart; another number renames them LABEL_0, LABEL_1 …"""
        return len(self.id2label or ())

    @num_labels.setter
    def num_labels(self, count: int) -> None:
        fault = SIZE.fault("num_labels", count)
        if fault:
            raise ConfigError(fault)
        if self.id2label is None or len(self.id2label) != count:
            self.id2label = {index: f"LABEL_{index}" for index in range(count)}
            self.label2id = {label: index for index, label in self.id2label.items()}

    def check_buildable(self) -> None:
        """Refuse what can be written down and handed on, but no model can be built of.

        Raises: ConfigError listing everything.
        """
        faults = [
            f"`{name}` must be {only}, but is {getattr(self, name)!r}: nothing else is supported."
            for name, only in UNSUPPORTED.items()
            if getattr(self, name) != only
        ]
        faults += [fault for fault in [SIZE.fault("d_model", self.d_model)] if fault]
        raise_all(ConfigError, [*faults, *self._pruned_faults()], type(self).__name__)

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PreTrainedConfig:
        """The config itself; of one stack, a copy whose layers and heads, by every name, are that stack's."""
        if bool(decoder) == bool(encoder) or not self.is_encoder_decoder:
            return self
        side = "decoder" if decoder else "encoder"
        copied = copy.deepcopy(self)
        for size in ("layers", "attention_heads", "ffn_dim", "layerdrop"):
            setattr(copied, f"encoder_{size}", getattr(self, f"{side}_{size}"))
        return copied

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type = "AutoConfig") -> None:
        """Let AutoConfig make configs of this class, one of your own, of files with its `model_type`."""
        name = auto_class if isinstance(auto_class, str) else auto_class.__name__
        if name != "AutoConfig":
            raise ConfigError(f"`auto_class` must be 'AutoConfig', but is {name!r}.")
        AutoConfig.register(cls.model_type, cls, exist_ok=True)

    @property
    def use_return_dict(self) -> bool:
        """Whether models answer with named outputs; tracing needs plain tuples."""
        return self.return_dict and not self.torchscript

    @classmethod
    def default_of(cls, name: str) -> Any:
        return cls.default_num_labels if name == "num_labels" else super().default_of(name)

    @classmethod
    def class_for(cls, model_type: Any) -> type[Record]:
        return config_class(model_type)

    @classmethod
    def _replaced(cls, file: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        # Asked for other labels, the names in the file mean nothing.
        count = changes.get("num_labels")
        renamed = count is not None and count != len(file.get("id2label") or ())
        if renamed or changes.get("id2label") is not None:
            file = {name: value for name, value in file.items() if name not in LABEL_FIELDS}
        return super()._replaced(file, changes)

    def _settle(self, given: dict[str, Any]) -> list[str]:
        if isinstance(self.pruned_heads, dict):  # JSON has only text keys
            pruned = self.pruned_heads.items()
            self.pruned_heads = {int(key) if str(key).isdecimal() else key: heads for key, heads in pruned}
        count = given.pop("num_labels", None)
        if not isinstance(self.label2id, dict | None):
            return [f"`label2id` must map labels to whole numbers, but is {reprlib.repr(self.label2id)}."]
        if self.id2label is None and self.label2id is None:
            count = self.default_num_labels if count is None else count
            fault = SIZE.fault("num_labels", count)
            if fault is None:
                self.num_labels = count
            return [fault] if fault else []
        try:
            if self.id2label is None:
                self.id2label = {index: label for label, index in (self.label2id or {}).items()}
            self.id2label = {int(index): label for index, label in self.id2label.items()}  # JSON has only text keys
            if self.label2id is None:
                self.label2id = {label: index for index, label in self.id2label.items()}
        except (AttributeError, TypeError, ValueError, OverflowError):
            given_labels = reprlib.repr(self.label2id if self.id2label is None else self.id2label)
            return [f"`id2label` must map whole numbers to labels, but is {given_labels}."]
        if count not in (None, self.num_labels):
            return [
                f"`num_labels` must be the {self.num_labels} of `id2label`, but is {count!r}. Give only one of them."
            ]
        return []

    def _contradictions(self, wrong: set[str]) -> Iterator[str]:
        for heads in ("encoder_attention_heads", "decoder_attention_heads"):
            if wrong.isdisjoint({"d_model", heads}) and self.d_model % getattr(self, heads):
                yield f"`d_model` must be divisible by `{heads}`, but {self.d_model} is not by {getattr(self, heads)}."
        for name in VOCABULARY_FIELDS:
            if wrong.isdisjoint({"vocab_size", name}):
                yield from self._outside_vocabulary(name)
        if self.problem_type == "single_label_classification" and self.num_labels == 1:
            yield "`num_labels` must be at least 2 for single-label classification, but is 1. Or make it a regression."
        if wrong.isdisjoint(SIZE_FIELDS) and self._rough_size() > MOST_PARAMETERS:
            given = ", ".join(f"`{name}` {getattr(self, name)}" for name in SIZE_FIELDS)
            size = self._rough_size()
            yield f"A model must stay under {MOST_PARAMETERS:.0e} parameters, but this has {size:.1e}: {given}."

    def _pruned_faults(self) -> Iterator[str]:
        heads = set(range(self.encoder_attention_heads))
        for layer, pruned in self.pruned_heads.items():
            wanted = f"`pruned_heads` must map layers of the encoder to lists of its {len(heads)} heads, but"
            if layer not in range(self.encoder_layers):
                yield f"{wanted} has a layer {layer!r}."
            elif not isinstance(pruned, list | tuple | set) or not heads.issuperset(pruned):
                yield f"{wanted} layer {layer} has {reprlib.repr(pruned)}."

    def _outside_vocabulary(self, name: str) -> Iterator[str]:
        value = getattr(self, name)
        for token in value if isinstance(value, list | tuple) else [value]:
            if token is not None and not 0 <= token < self.vocab_size:
                yield f"`{name}` must be from 0 to {self.vocab_size - 1} (below `vocab_size`), but is {token}."

    def _rough_size(self) -> float:
        tables = self.vocab_size + 2 * self.max_position_embeddings
        encoder = self.encoder_layers * (4 * self.d_model + 2 * self.encoder_ffn_dim)
        decoder = self.decoder_layers * (8 * self.d_model + 2 * self.decoder_ffn_dim)
        return float(self.d_model * (tables + encoder + decoder))


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
    default_num_labels = 3

    classifier_dropout: Probability = 0.0

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        # Files from before `forced_bos_token_id` only have this switch.
        if fields.get("force_bos_token_to_be_generated") and self.forced_bos_token_id is None:
            self.forced_bos_token_id = self.bos_token_id


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
    each.model_type: each for each in (BartConfig, BlenderbotConfig, BlenderbotSmallConfig)
}


def config_class(model_type: str) -> type[PreTrainedConfig]:
    """The class that describes models of `model_type`.

    Raises: ConfigError if this library does not have that model.
    """
    if not isinstance(model_type, str) or model_type not in CONFIG_CLASSES:
        given = reprlib.repr(model_type)
        raise ConfigError(f"`model_type` must be one of {', '.join(CONFIG_CLASSES)}, but is {given}.")
    return CONFIG_CLASSES[model_type]


def config_from_dict(fields: Mapping[str, Any]) -> PreTrainedConfig:
    """The config that a `config.json` describes, of the class its `model_type` names."""
    return PreTrainedConfig.from_dict(fields)


class AutoConfig:
    """Not a config itself: `AutoConfig.from_pretrained` answers with one, of the class its `model_type` names."""

    def __init__(self) -> None:
        raise ConfigError("AutoConfig is not made directly. Use AutoConfig.from_pretrained(name_or_folder).")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: StrPath, **kwargs: Any) -> Any:
        """The config of a checkpoint; the arguments are those of `PreTrainedConfig.from_pretrained`."""
        return PreTrainedConfig.from_pretrained(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def for_model(cls, model_type: str, *args: Any, **kwargs: Any) -> PreTrainedConfig:
        """A new config of a model, with its defaults but for what is given."""
        return config_class(model_type)(*args, **kwargs)

    @classmethod
    def register(cls, model_type: str, config: type[PreTrainedConfig], exist_ok: bool = False) -> None:
        """Let files with a `model_type` be read by a class of your own.

        Raises: ConfigError for another type than the class's, or one that is taken, unless `exist_ok`.
        """
        if config.model_type != model_type:
            raise ConfigError(f"`model_type` must be {config.model_type!r}, as the class says, but is {model_type!r}.")
        if not exist_ok and CONFIG_CLASSES.get(model_type, config) is not config:
            raise ConfigError(f"{model_type!r} has a class. Pass exist_ok=True to replace it.")
        CONFIG_CLASSES[model_type] = config
