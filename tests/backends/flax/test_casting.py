from typing import Any

import numpy as np
import pytest

from bartleby.errors import OptionError

jax = pytest.importorskip("jax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')
pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

from flax.core import freeze  # noqa: E402  after the skip

from bartleby.backends.flax.casting import Casting  # noqa: E402

PARAMS: Any = {"b": {"kernel": np.ones(2, np.float32), "bias": jax.numpy.zeros(2)}, "a": {"count": np.arange(3)}}


def dtypes(params: Any) -> dict[str, str]:
    return {
        "kernel": str(params["b"]["kernel"].dtype),
        "bias": str(params["b"]["bias"].dtype),
        "count": str(params["a"]["count"].dtype),
    }


def test_floating_point_leaves_are_cast_and_others_are_not() -> None:
    for name, dtype in (("to_bf16", "bfloat16"), ("to_fp16", "float16"), ("to_fp32", "float32")):
        cast = getattr(Casting(), name)(PARAMS)
        assert dtypes(cast) == {"kernel": dtype, "bias": dtype, "count": "int64"}
    assert dtypes(PARAMS)["kernel"] == "float32"
    assert dtypes(Casting().to_fp32(Casting().to_bf16(PARAMS)))["kernel"] == "float32"


@pytest.mark.parametrize("frozen", [True, False])
def test_a_mask_says_which_whatever_its_order(frozen: bool) -> None:
    mask: Any = {"a": {"count": True}, "b": {"bias": False, "kernel": True}}
    cast = Casting().to_fp16(freeze(PARAMS) if frozen else PARAMS, freeze(mask) if frozen else mask)
    assert dtypes(cast) == {"kernel": "float16", "bias": "float32", "count": "int64"}


def test_a_mask_of_another_tree_is_refused() -> None:
    with pytest.raises(OptionError, match="only one of them has a/count, b/bias"):
        Casting().to_fp16(PARAMS, {"b": {"kernel": True}})
