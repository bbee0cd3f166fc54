"""The BART family in one library: BART, Blenderbot and Blenderbot-Small.

Public names are loaded when first asked for: importing the package imports no framework. Those of the PyTorch wing need
the extra "torch".
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the table below once more, for type checkers; a test holds the two together
    from bartleby.backends import open_backend as open_backend
    from bartleby.backends.pytorch.auto import AutoModel as AutoModel
    from bartleby.backends.pytorch.auto import AutoModelForCausalLM as AutoModelForCausalLM
    from bartleby.backends.pytorch.auto import AutoModelForQuestionAnswering as AutoModelForQuestionAnswering
    from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
    from bartleby.backends.pytorch.auto import AutoModelForSequenceClassification as AutoModelForSequenceClassification
    from bartleby.backends.pytorch.models import BartForCausalLM as BartForCausalLM
    from bartleby.backends.pytorch.models import BartForConditionalGeneration as BartForConditionalGeneration
    from bartleby.backends.pytorch.models import BartForQuestionAnswering as BartForQuestionAnswering
    from bartleby.backends.pytorch.models import BartForSequenceClassification as BartForSequenceClassification
    from bartleby.backends.pytorch.models import BartModel as BartModel
    from bartleby.backends.pytorch.models import BlenderbotForCausalLM as BlenderbotForCausalLM
    from bartleby.backends.pytorch.models import (
        BlenderbotForConditionalGeneration as BlenderbotForConditionalGeneration,
    )
    from bartleby.backends.pytorch.models import BlenderbotModel as BlenderbotModel
    from bartleby.backends.pytorch.models import BlenderbotSmallForCausalLM as BlenderbotSmallForCausalLM
    from bartleby.backends.pytorch.models import (
        BlenderbotSmallForConditionalGeneration as BlenderbotSmallForConditionalGeneration,
    )
    from bartleby.backends.pytorch.models import BlenderbotSmallModel as BlenderbotSmallModel
    from bartleby.checkpoints.containers import open_weights as open_weights
    from bartleby.checkpoints.folder import CheckpointFolder as CheckpointFolder
    from bartleby.checkpoints.folder import save_folder as save_folder
    from bartleby.errors import BartlebyError as BartlebyError
    from bartleby.errors import CheckpointError as CheckpointError
    from bartleby.errors import ConfigError as ConfigError
    from bartleby.errors import DataError as DataError
    from bartleby.errors import HubError as HubError
    from bartleby.errors import LengthError as LengthError
    from bartleby.errors import MissingExtraError as MissingExtraError
    from bartleby.errors import OptionError as OptionError
    from bartleby.errors import ShapeError as ShapeError
    from bartleby.errors import TokenizerError as TokenizerError
    from bartleby.errors import UnsafePickleError as UnsafePickleError
    from bartleby.errors import VocabularyError as VocabularyError
    from bartleby.family.config import AutoConfig as AutoConfig
    from bartleby.family.config import BartConfig as BartConfig
    from bartleby.family.config import BlenderbotConfig as BlenderbotConfig
    from bartleby.family.config import BlenderbotSmallConfig as BlenderbotSmallConfig
    from bartleby.family.config import PreTrainedConfig as PreTrainedConfig
    from bartleby.family.config import PretrainedConfig as PretrainedConfig
    from bartleby.family.config import config_from_dict as config_from_dict
    from bartleby.family.parameters import parameter_count as parameter_count
    from bartleby.family.parameters import parameter_table as parameter_table
    from bartleby.family.presets import PRESETS as PRESETS
    from bartleby.family.presets import preset_of as preset_of
    from bartleby.generation.config import GenerationConfig as GenerationConfig
    from bartleby.hub import embedded_names as embedded_names
    from bartleby.hub import resolve as resolve
    from bartleby.tasks.chat import Chat as Chat
    from bartleby.tasks.chat import Conversation as Conversation
    from bartleby.tasks.chat import Reply as Reply
    from bartleby.tokenization.auto import AutoTokenizer as AutoTokenizer
    from bartleby.tokenization.base import PreTrainedTokenizer as PreTrainedTokenizer
    from bartleby.tokenization.base import PreTrainedTokenizerFast as PreTrainedTokenizerFast
    from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer as BlenderbotSmallTokenizer
    from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizerFast as BlenderbotSmallTokenizerFast
    from bartleby.tokenization.byte_level import BartTokenizer as BartTokenizer
    from bartleby.tokenization.byte_level import BartTokenizerFast as BartTokenizerFast
    from bartleby.tokenization.byte_level import BlenderbotTokenizer as BlenderbotTokenizer
    from bartleby.tokenization.byte_level import BlenderbotTokenizerFast as BlenderbotTokenizerFast
    from bartleby.tokenization.byte_level import RobertaTokenizer as RobertaTokenizer
    from bartleby.tokenization.byte_level import RobertaTokenizerFast as RobertaTokenizerFast
    from bartleby.tokenization.encoding import BatchEncoding as BatchEncoding

__version__ = "0.1.0"

_NAMES: dict[str, tuple[str, ...]] = {
    "bartleby.backends": ("open_backend",),
    "bartleby.backends.pytorch.auto": (
        "AutoModel",
        "AutoModelForCausalLM",
        "AutoModelForQuestionAnswering",
        "AutoModelForSeq2SeqLM",
        "AutoModelForSequenceClassification",
    ),
    "bartleby.backends.pytorch.models": (
        "BartForCausalLM",
        "BartForConditionalGeneration",
        "BartForQuestionAnswering",
        "BartForSequenceClassification",
        "BartModel",
        "BlenderbotForCausalLM",
        "BlenderbotForConditionalGeneration",
        "BlenderbotModel",
        "BlenderbotSmallForCausalLM",
        "BlenderbotSmallForConditionalGeneration",
        "BlenderbotSmallModel",
    ),
    "bartleby.checkpoints.containers": ("open_weights",),
    "bartleby.checkpoints.folder": (
        "CheckpointFolder",
        "save_folder",
    ),
    "bartleby.errors": (
        "BartlebyError",
        "CheckpointError",
        "ConfigError",
        "DataError",
        "HubError",
        "LengthError",
        "MissingExtraError",
        "OptionError",
        "ShapeError",
        "TokenizerError",
        "UnsafePickleError",
        "VocabularyError",
    ),
    "bartleby.family.config": (
        "AutoConfig",
        "BartConfig",
        "BlenderbotConfig",
        "BlenderbotSmallConfig",
        "PreTrainedConfig",
        "PretrainedConfig",
        "config_from_dict",
    ),
    "bartleby.family.parameters": (
        "parameter_count",
        "parameter_table",
    ),
    "bartleby.family.presets": (
        "PRESETS",
        "preset_of",
    ),
    "bartleby.generation.config": ("GenerationConfig",),
    "bartleby.hub": (
        "embedded_names",
        "resolve",
    ),
    "bartleby.tasks.chat": (
        "Chat",
        "Conversation",
        "Reply",
    ),
    "bartleby.tokenization.auto": ("AutoTokenizer",),
    "bartleby.tokenization.base": (
        "PreTrainedTokenizer",
        "PreTrainedTokenizerFast",
    ),
    "bartleby.tokenization.blenderbot_small": (
        "BlenderbotSmallTokenizer",
        "BlenderbotSmallTokenizerFast",
    ),
    "bartleby.tokenization.byte_level": (
        "BartTokenizer",
        "BartTokenizerFast",
        "BlenderbotTokenizer",
        "BlenderbotTokenizerFast",
        "RobertaTokenizer",
        "RobertaTokenizerFast",
    ),
    "bartleby.tokenization.encoding": ("BatchEncoding",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'bartleby' has no attribute {name!r}")
    if module.startswith("bartleby.backends.pytorch."):
        from bartleby.errors import need_extra

        need_extra("torch", f"`bartleby.{name}`")
    value = getattr(import_module(module), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
