from typing import Any

import numpy as np
import pytest

from tests.parity.random_models import MODEL_TYPES, random_batch, seeded

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax

from bartleby.backends.flax import models
from tests.backends.flax.reference_models import PREFIX, known

IDS, MASK = random_batch(seeded("flax models"), rows=2, longest=6)


def test_every_class_binds_a_configuration_to_a_head() -> None:
    ours = {name: each for name, each in vars(models).items() if name in models.__all__ and "PreTrained" not in name}
    ours.pop("shift_tokens_right")
    assert len(ours) == 11
    for name, each in ours.items():
        family = each.config_class.__name__.removesuffix("Config")
        assert name.startswith(f"Flax{family}")
        assert each.table_head == each.module_class.table_head
        assert each.module_class is getattr(models, f"{name.removesuffix('Model')}Module")  # the published way to it
        assert issubclass(each, getattr(models, f"Flax{family}PreTrainedModel"))
    assert ours.keys() >= {f"{PREFIX[model_type]}ForCausalLM" for model_type in MODEL_TYPES}


def test_decoding_of_the_small_one_asks_for_the_opposite_of_training() -> None:
    small: Any = known("blenderbot-small")
    encoded = small.model.encode(IDS, MASK, params=small.params)
    still = small.model.decode(IDS, encoded, params=small.params).logits
    key = jax.random.PRNGKey(0)
    dropped = small.model.decode(IDS, encoded, deterministic=False, params=small.params, dropout_rng=key).logits
    assert not np.allclose(still, dropped)
    plain = small.model.decode(IDS, encoded, MASK, MASK, None, None, None, None, False, True, small.params)
    assert isinstance(plain, tuple)
    with pytest.raises(TypeError, match="train"):
        small.model.decode(IDS, encoded, train=False, params=small.params)
    bare: Any = known("blenderbot-small", "none")
    bare.model.decode(IDS, bare.model.encode(IDS, params=bare.params), train=False, params=bare.params)
