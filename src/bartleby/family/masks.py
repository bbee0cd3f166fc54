"""Which token may look at which, and how targets move right: the specification every wing must match. Plain NumPy.

Masks are boolean and True where something is hidden; axis letters as in reference.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.errors import ConfigError, ShapeError
from bartleby.family.config import PreTrainedConfig

Ids = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Hidden = npt.NDArray[np.bool_]

IGNORED_LABEL = -100


def shift_right(labels: Ids, config: PreTrainedConfig) -> Ids:
    """Teacher-forcing input: labels moved one place right, behind decoder_start_token_id.

    Shapes: labels (b, t) int -> (b, t) int; -100 becomes pad.
    Raises: ShapeError if labels is not 2-D.
    Source: BART (arXiv 1910.13461), section 2.
    """
    if labels.ndim != 2:
        raise ShapeError(f"`labels` must have 2 axes (batch, target), but has shape {labels.shape}.")
    if config.pad_token_id is None or config.decoder_start_token_id is None:
        raise ConfigError(
            "Moving labels right needs `pad_token_id` and `decoder_start_token_id`; the config lacks one."
        )
    shifted = np.empty_like(labels)
    shifted[:, 0] = config.decoder_start_token_id
    shifted[:, 1:] = labels[:, :-1]
    shifted[shifted == IGNORED_LABEL] = config.pad_token_id
    return shifted


def padding(attention_mask: Ids | None) -> Hidden | None:
    """What no query may see: (b, s) with 1 where a token counts -> (b, 1, 1, s)."""
    return None if attention_mask is None else (attention_mask == 0)[:, None, None, :]


def causal(length: int, attention_mask: Ids | None = None) -> Hidden:
    """What a target position may not see: what follows it, and pads where a mask tells them; (b or 1, 1, t, t)."""
    future = np.triu(np.ones((length, length), dtype=bool), k=1)[None, None]
    pads = padding(attention_mask)
    return future if pads is None else future | pads


def last_eos(hidden: Floats, input_ids: Ids, eos_token_id: int | list[int] | None) -> Floats:
    """The state at the last eos of each row: (b, s, d), (b, s) -> (b, d).

    Raises: ShapeError if the rows hold different numbers of eos, or none.
    """
    is_eos = np.isin(input_ids, [] if eos_token_id is None else eos_token_id)
    counts = is_eos.sum(axis=1)
    if len(set(counts.tolist())) != 1 or counts[0] == 0:
        raise ShapeError(
            f"Every row must hold the same number of eos tokens (id {eos_token_id}), at least one, but the rows hold "
            f"{counts.tolist()}. Encode with special tokens, and pad with `pad_token_id`."
        )
    last = input_ids.shape[1] - 1 - is_eos[:, ::-1].argmax(axis=1)
    return np.asarray(hidden[np.arange(len(hidden)), last])
