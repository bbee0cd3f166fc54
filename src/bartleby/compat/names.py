"""Constants and tables under their published names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bartleby.checkpoints.containers import FLAX_FILES, TENSORFLOW_FILES, WEIGHT_FILES
from bartleby.checkpoints.folder import CONFIG, GENERATION_CONFIG
from bartleby.family.config import CONFIG_CLASSES, PreTrainedConfig
from bartleby.tokenization.auto import BY_MODEL_TYPE
from bartleby.tokenization.base import PreTrainedTokenizer

CONFIG_NAME = CONFIG
GENERATION_CONFIG_NAME = GENERATION_CONFIG
SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, WEIGHTS_NAME, WEIGHTS_INDEX_NAME = WEIGHT_FILES
TF2_WEIGHTS_NAME = TENSORFLOW_FILES[0]
FLAX_WEIGHTS_NAME = FLAX_FILES[0]
VOCAB_FILES_NAMES = {name: PreTrainedTokenizer.vocab_files_names[name] for name in ("vocab_file", "merges_file")}

CONFIG_MAPPING = CONFIG_CLASSES


class TokenizerMapping(Mapping[type[PreTrainedConfig], type[PreTrainedTokenizer]]):
    """Config class -> tokenizer class, those that were registered included; one class, as in 5.x."""

    def __getitem__(self, config_class: type[PreTrainedConfig]) -> type[PreTrainedTokenizer]:
        return BY_MODEL_TYPE[config_class.model_type]

    def __iter__(self) -> Iterator[type[PreTrainedConfig]]:
        return (each for each in CONFIG_CLASSES.values() if each.model_type in BY_MODEL_TYPE)

    def __len__(self) -> int:
        return sum(1 for _ in self)


TOKENIZER_MAPPING = TokenizerMapping()
