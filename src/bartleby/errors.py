"""Every error this library raises on purpose, and the one form they share.

BartlebyError
├── ConfigError (ValueError)          a configuration that cannot be built, or sizes that contradict each other
│   └── FieldError (TypeError)        an argument that is no field of a configuration
├── ShapeError (ValueError)           an array or tensor of the wrong rank or size
├── LengthError (ValueError)          more tokens than there are positions
├── VocabularyError (ValueError)      a token id outside the embedding table
├── TokenizerError (ValueError)       vocabulary files that cannot be used, or text they cannot encode as asked
│   └── TextError (TypeError)         something to be encoded that is no text, tokens or ids
├── OptionError (ValueError)          a decoding, training or command option that is unknown or contradicts another
├── ArgumentError (TypeError)         an argument that a call does not have
├── DataError (ValueError)            a record of a data file that cannot be read
├── CheckpointError (OSError)         a missing, truncated, misshapen or unreadable checkpoint
│   ├── HubError                      a name that could not be turned into local files
│   ├── MismatchError (RuntimeError, ValueError)  weights of another shape than the configuration says
│   └── UnsafePickleError             a pickle that asks for more than tensors and plain containers
└── MissingExtraError (ImportError)   an optional dependency that is not installed

A message says what was expected, what came, and what to do: "`num_beams` must be at least 1, but is 0."
All faults of one input are reported at once, see `raise_all`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec


class BartlebyError(Exception):
    """Anything this library refuses."""


class ConfigError(BartlebyError, ValueError):
    """A configuration that cannot be built."""


class FieldError(ConfigError, TypeError):
    """An argument that is no field of a configuration; Python calls such a thing a TypeError."""


class ShapeError(BartlebyError, ValueError):
    """An array of the wrong rank or size."""


class LengthError(BartlebyError, ValueError):
    """More tokens than the model has positions for."""


class VocabularyError(BartlebyError, ValueError):
    """A token id outside the embedding table."""


class TokenizerError(BartlebyError, ValueError):
    """Tokenizer files or arguments that cannot be used."""


class TextError(TokenizerError, TypeError):
    """Something to be encoded that is no text."""


class OptionError(BartlebyError, ValueError):
    """An option that is unknown, out of range, or contradicts another."""


class ArgumentError(BartlebyError, TypeError):
    """An argument that a call does not have."""


class DataError(BartlebyError, ValueError):
    """A data record that cannot be read."""


class CheckpointError(BartlebyError, OSError):
    """A checkpoint that is missing, truncated, misshapen or unreadable."""


class HubError(CheckpointError):
    """A checkpoint name that could not be turned into local files."""


class MismatchError(CheckpointError, RuntimeError, ValueError):
    """Weights of another shape than the configuration says: in torch a RuntimeError, in the others a ValueError."""


class UnsafePickleError(CheckpointError):
    """A pickle that asks for more than tensors and plain containers."""


class MissingExtraError(BartlebyError, ImportError):
    """An optional dependency that is not installed."""


EXTRA_MODULES: dict[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "train": ("torch", "accelerate", "datasets", "yaml"),
    "log": ("tensorboard", "matplotlib"),
    "measure": ("rouge_score", "sacrebleu"),
    "convert": ("h5py",),
    "templates": ("jinja2",),
    "flax": ("jax", "flax"),
    "tensorflow": ("tensorflow", "keras"),
    "serve": ("fastapi", "uvicorn", "prometheus_client"),
    "ray": ("ray",),
}


def need_extra(extra: str, purpose: str) -> None:
    """Refuse to go on when a module of an optional extra is not installed; looks, but imports nothing.

    `purpose` completes the sentence "… needs": "Reading `.h5` weights".
    Raises: MissingExtraError with the pip line that installs the extra.
    """
    missing = [module for module in EXTRA_MODULES[extra] if find_spec(module) is None]
    if missing:
        raise MissingExtraError(f'{purpose} needs {", ".join(missing)}. Run: pip install "bartleby[{extra}]"')


def raise_all(error: type[BartlebyError], faults: Sequence[str], subject: str) -> None:
    """Raise one `error` that lists every fault found in `subject`; does nothing when there is none."""
    if len(faults) == 1:
        raise error(f"{subject}: {faults[0]}")
    if faults:
        raise error(f"{subject} has {len(faults)} faults:\n" + "\n".join(f"  - {_indented(fault)}" for fault in faults))


def _indented(fault: str) -> str:
    """A fault that is a list of faults itself stands further in."""
    return fault.replace("\n", "\n  ")
