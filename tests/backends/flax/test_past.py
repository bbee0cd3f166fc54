from typing import Any

import numpy as np
import pytest

from bartleby.errors import LengthError, ShapeError

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax.numpy as jnp
from flax.core import freeze

from bartleby.backends.flax.cache import LayerCache
from bartleby.backends.flax.past import Past
from tests.backends.flax.reference_models import known

IDS = jnp.array([[5, 6], [7, 8]])


def test_without_a_past_a_mask_covers_the_tokens() -> None:
    mask = Past().mask("mask", [[1, 0], [1, 1]], IDS)
    assert mask is not None
    assert mask.tolist() == [[1, 0], [1, 1]]
    assert Past().mask("mask", None, IDS) is None


def test_with_a_past_it_covers_all_there_is_room_for_or_the_new_tokens() -> None:
    room = jnp.zeros((2, 1, 5, 4))
    past = Past((LayerCache(room, room),), 3)
    whole = past.mask("mask", np.eye(2, 5), IDS)
    assert whole is not None
    assert whole.tolist() == np.eye(2, 5).tolist()
    new = past.mask("mask", [[0, 1], [1, 0]], IDS)
    assert new is not None
    assert new.tolist() == [[1, 1, 1, 0, 1], [1, 1, 1, 1, 0]]
    with pytest.raises(ShapeError, match=r"must have shape \(2, 5\) or \(2, 2\), but has \(2, 3\)"):
        past.mask("mask", np.ones((2, 3)), IDS)


@pytest.mark.parametrize("head", ["none", "conditional_generation"])
def test_an_empty_past_can_be_read_frozen_too(head: Any) -> None:
    model = known("bart", head).model
    past = model._past(freeze(model._empty_past(2, 5)), IDS)
    assert int(past.start) == 0
    assert [cache.keys.shape for cache in past.caches] == [(2, 2, 5, 8)] * 2


def test_what_does_not_fit_is_refused() -> None:
    model = known().model
    past = model._empty_past(2, 3)
    with pytest.raises(ShapeError, match="The cache is of 2 rows, but 1 are given"):
        model._past(past, IDS[:1])
    for layer in past["model"]["decoder"]["layers"].values():
        layer["self_attn"]["cache_index"] = jnp.array(2)
    with pytest.raises(LengthError, match="room for 3 tokens, but 2 are in it and 2 would follow"):
        model._past(past, IDS)
    for wrong in ({}, past["model"], (1, 2)):
        with pytest.raises(ShapeError, match="`past_key_values` must be a dict"):
            model._past(wrong, IDS)
