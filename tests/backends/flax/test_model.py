from typing import Any

import numpy as np
import pytest

from bartleby.errors import ArgumentError, ConfigError, OptionError
from bartleby.family.config import BlenderbotConfig
from tests.parity.random_models import small_bart

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp
from flax.core import FrozenDict, freeze
from flax.traverse_util import flatten_dict

from bartleby.backends.flax.models import FlaxBartForConditionalGeneration, FlaxBartModel

CONFIG = small_bart(init_std=0.5, d_model=16)


@pytest.fixture(scope="module")
def model() -> Any:
    return FlaxBartForConditionalGeneration(CONFIG, seed=3)


def test_fresh_weights_are_drawn_as_the_configuration_says(model: Any) -> None:
    body = model.params["model"]
    assert float(body["shared"]["embedding"].std()) == pytest.approx(0.5, rel=0.1)
    assert float(body["encoder"]["layers"]["0"]["self_attn"]["k_proj"]["kernel"].std()) == pytest.approx(0.5, rel=0.2)
    assert not body["encoder"]["layers"]["0"]["fc1"]["bias"].any()
    assert (body["decoder"]["layernorm_embedding"]["scale"] == 1).all()
    assert not model.params["final_logits_bias"].any()


def test_a_seed_decides_what_is_drawn(model: Any) -> None:
    same, other = (model.init_weights(jax.random.PRNGKey(seed), (1, 1)) for seed in (3, 4))
    jax.tree_util.tree_map(np.testing.assert_array_equal, same, model.params)
    assert not np.array_equal(other["model"]["shared"]["embedding"], same["model"]["shared"]["embedding"])


def test_what_is_given_is_kept_and_only_the_rest_is_drawn(model: Any) -> None:
    part = {"model": {"shared": {"embedding": jnp.ones((50, 16))}}}
    whole = model.init_weights(model.key, (1, 1), freeze(part))
    assert (whole["model"]["shared"]["embedding"] == 1).all()
    assert set(flatten_dict(whole)) == model.required_params


def test_parameters_are_a_plain_tree_that_must_be_whole(model: Any) -> None:
    kept = model.params
    model.params = FrozenDict(kept)
    assert type(model.params) is dict
    with pytest.raises(OptionError, match="`final_logits_bias` is missing"):
        model.params = {"model": kept["model"]}
    with pytest.raises(
        OptionError, match=r"2 faults(.|\n)*`adapter/0` is no parameter(.|\n)*must have shape \(1, 50\), but"
    ):
        model.params = {**kept, "adapter": {0: 1.0}, "final_logits_bias": jnp.zeros((1, 5))}
    with pytest.raises(OptionError, match=r"`params` must be a nested dict .* but is list"):
        model.params = [kept]
    assert model.params == kept
    assert model.required_params == set(flatten_dict(model.params_shape_tree))
    assert jax.tree_util.tree_map(jnp.shape, kept) == jax.tree_util.tree_map(
        lambda leaf: leaf.shape, model.params_shape_tree
    )


def test_without_parameters_of_its_own_it_takes_those_of_the_call(model: Any) -> None:
    empty = FlaxBartForConditionalGeneration(CONFIG, _do_init=False)
    assert empty.required_params == model.required_params
    with pytest.raises(ValueError, match="`params` must be kept outside"):
        _ = empty.params
    with pytest.raises(ValueError, match="`params` must be kept outside"):
        empty.params = model.params
    ids = [[0, 5, 2]]
    np.testing.assert_array_equal(empty(ids, params=model.params).logits, model(ids).logits)


def test_its_attributes_are_the_published_ones(model: Any) -> None:
    assert model.config is CONFIG
    assert model.dtype == jnp.float32
    assert model.framework == "flax"
    assert model.input_shape == (1, 1)
    assert model.module_class is type(model.module)
    assert model.base_model_prefix == "model"
    assert model.main_input_name == "input_ids"
    assert model.can_generate()
    assert not FlaxBartModel.can_generate()


@pytest.mark.parametrize(
    "change",
    [
        lambda params: {},
        lambda params: {"model": params["model"]},
        lambda params: {"params": params},
        lambda params: {**params, "final_logits_bias": jnp.zeros((1, 5))},
    ],
)
def test_parameters_of_another_model_are_refused_in_a_call(model: Any, change: Any) -> None:
    with pytest.raises(OptionError, match="`params` must be a tree like `params_shape_tree`, but is not"):
        model([[0, 5, 2]], params=change(model.params))


def test_only_models_that_write_prepare_for_it() -> None:
    with pytest.raises(NotImplementedError, match="FlaxBartModel does not generate"):
        FlaxBartModel(CONFIG, _do_init=False).prepare_inputs_for_generation()


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ConfigError, match="FlaxBartModel needs a BartConfig, but was given a NoneType"):
        FlaxBartModel(None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="FlaxBartModel needs a BartConfig, but was given a BlenderbotConfig"):
        FlaxBartModel(BlenderbotConfig())
    with pytest.raises(OptionError, match="`dtype` must be a type of floating-point numbers"):
        FlaxBartModel(CONFIG, dtype=jnp.int32)
    with pytest.raises(OptionError, match="`dtype` must be a type of floating-point numbers"):
        FlaxBartModel(CONFIG, dtype=CONFIG)  # a config by position, where the dtype stands
    with pytest.raises(ArgumentError, match="`num_labels` is no argument of this model"):
        FlaxBartModel(CONFIG, num_labels=3)


@pytest.mark.parametrize("shape", [5, (1,), (0, 1), (1, 1.5), "11"])
@pytest.mark.parametrize("seed", ["x", None, 1.5, True, np.arange(2)])
def test_options_that_cannot_be_are_refused_together(shape: Any, seed: Any) -> None:
    with pytest.raises(
        OptionError, match=r"2 faults(.|\n)*`input_shape` must be \(rows, tokens\)(.|\n)*`seed` must be a"
    ):
        FlaxBartModel(CONFIG, input_shape=shape, seed=seed, _do_init=False)


@pytest.mark.parametrize("seed", [3, np.int64(3), jnp.array(3)])
def test_a_seed_is_a_whole_number_of_any_library(seed: Any) -> None:
    model = FlaxBartModel(CONFIG, input_shape=[np.int64(1), 2], seed=seed, _do_init=False)  # type: ignore[arg-type]
    np.testing.assert_array_equal(model.key, jax.random.PRNGKey(3))


def test_what_is_drawn_is_what_a_pass_would_draw(model: Any) -> None:
    ids = jnp.zeros((1, 1), jnp.int32)
    passed = model.module.init({"params": model.key}, ids, None, ids)["params"]
    jax.tree_util.tree_map(np.testing.assert_array_equal, passed, model.params)


def test_layers_run_again_when_asked(model: Any) -> None:
    model = FlaxBartModel(CONFIG, _do_init=False)
    assert not model.module.gradient_checkpointing
    model.enable_gradient_checkpointing()
    assert model.module.gradient_checkpointing
    assert FlaxBartModel(CONFIG, _do_init=False, gradient_checkpointing=True).module.gradient_checkpointing
