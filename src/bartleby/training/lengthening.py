"""A model for longer texts: its learned positions stretched over more of them, to be tuned on long texts then."""

from __future__ import annotations

from bartleby.backends.pytorch.model import Model
from bartleby.backends.pytorch.resizing import Method
from bartleby.errors import OptionError, raise_all
from bartleby.tokenization.base import PreTrainedTokenizer

METHODS: dict[str, Method] = {"interpolate": "interpolate", "repeat": "copy", "extend": "zero"}
"""`interpolate` stretches the old positions over all places, `repeat` lays them end on end, `extend` keeps them where
they are and leaves the new places empty. What each computes: `bartleby.backends.pytorch.resizing.resized_positions`."""


def lengthen(
    model: Model, positions: int, method: str = "interpolate", tokenizer: PreTrainedTokenizer | None = None
) -> None:
    """Give `model` more positions, in its config too, and let `tokenizer` make texts as long.

    A stretched model is worse at first, on short texts too: neighbours look half as far apart as those it learnt with.
    Raises: OptionError if there is no such method, or the model has as many positions already.
    """
    before = model.config.max_position_embeddings
    faults = []
    if method not in METHODS:
        faults.append(f"`method` must be one of {', '.join(METHODS)}, but is {method!r}.")
    if positions <= before:
        faults.append(f"`positions` must be more than the {before} that the model has, but is {positions}.")
    raise_all(OptionError, faults, "Lengthening")
    model.resize_position_embeddings(positions, METHODS[method])
    if tokenizer is not None and tokenizer.model_max_length < positions:
        tokenizer.model_max_length = positions
