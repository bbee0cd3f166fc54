import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.errors import ArgumentError, LengthError, OptionError, ShapeError, VocabularyError
from bartleby.family import masks
from bartleby.family.config import BartConfig, BlenderbotSmallConfig
from tests.parity.random_models import MODEL_TYPES, POSITIONS, VOCABULARY, random_batch, seeded

pytest.importorskip("flax", reason='the Flax wing is not installed: pip install "bartleby[flax]"')

import jax
import jax.numpy as jnp

from bartleby.backends.flax import models
from bartleby.backends.flax.outputs import (
    FlaxBaseModelOutputWithPastAndCrossAttentions,
    FlaxCausalLMOutputWithCrossAttentions,
)
from tests.backends.flax.reference_models import Known, known

IDS, MASK = random_batch(seeded("flax surface"), rows=2, longest=6)
KEY = jax.random.PRNGKey(0)
REQUIRED = "<required>"


@pytest.fixture(scope="module")
def writer() -> Known:
    return known()


def test_signatures_are_the_published_ones(shared: Path) -> None:
    """The same parameters with the same defaults; their order is tested where they are called."""
    table = json.loads((shared / "api" / "transformers-4.37.2.json").read_text(encoding="utf-8"))["classes"]
    for name, members in table.items():
        if not name.startswith("FlaxB"):
            continue
        model_class = getattr(models, name)
        for method in ("__call__", "encode", "decode", "init_cache", "prepare_inputs_for_generation"):
            if method in members:
                parameters = [*inspect.signature(getattr(model_class, method)).parameters.values()][1:]
                assert {each.name: _default(each) for each in parameters} == members[method], f"{name}.{method}"


def _default(parameter: inspect.Parameter) -> Any:
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return f"<{parameter.kind.name.lower()}>"
    return REQUIRED if parameter.default is parameter.empty else parameter.default


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_without_a_target_every_model_reads_the_source_moved_right(model_type: str) -> None:
    made = known(model_type, "none")
    given = made.model(IDS, MASK, masks.shift_right(IDS, made.config), params=made.params)
    alone = made.model(IDS, MASK, params=made.params)
    np.testing.assert_array_equal(alone.last_hidden_state, given.last_hidden_state)


def test_arguments_stand_in_the_published_order(writer: Known) -> None:
    positions = np.array([[3, 2, 1, 0, 4, 5]] * 2)
    named = writer.model(
        IDS,
        attention_mask=MASK,
        decoder_input_ids=IDS,
        decoder_attention_mask=MASK,
        position_ids=positions,
        decoder_position_ids=positions + 1,
        output_attentions=True,
        output_hidden_states=True,
        params=writer.params,
    )
    plain = writer.model(IDS, MASK, IDS, MASK, positions, positions + 1, True, True, False, False, writer.params)
    jax.tree_util.tree_map(np.testing.assert_array_equal, plain, named.to_tuple())
    assert len(plain) == 7
    unmoved = writer.model(IDS, MASK, IDS, MASK, params=writer.params)
    assert not np.allclose(unmoved.logits, named.logits)


def test_masks_of_ones_are_what_no_mask_is(writer: Known) -> None:
    ones = np.ones_like(MASK)
    with_masks = writer.model(IDS, ones, IDS, ones, params=writer.params)
    np.testing.assert_allclose(with_masks.logits, writer.model(IDS, None, IDS, params=writer.params).logits, atol=1e-6)


def test_encoding_and_decoding_are_the_two_halves_of_a_call(writer: Known) -> None:
    whole = writer.model(IDS, MASK, IDS, params=writer.params)
    encoded = writer.model.encode(IDS, MASK, params=writer.params)
    for given in (encoded, encoded.to_tuple(), writer.model.encode(IDS, MASK, params=writer.params, return_dict=False)):
        decoded = writer.model.decode(IDS, given, MASK, params=writer.params)
        assert isinstance(decoded, FlaxCausalLMOutputWithCrossAttentions)
        np.testing.assert_allclose(decoded.logits, whole.logits, atol=1e-5)
    bare = known("bart", "none")
    states = bare.model.decode(IDS, bare.model.encode(IDS, params=bare.params), params=bare.params)
    assert isinstance(states, FlaxBaseModelOutputWithPastAndCrossAttentions)


@pytest.mark.parametrize("head", ["none", "conditional_generation"])
def test_decoding_in_steps_gives_what_decoding_at_once_gives(head: Any) -> None:
    made = known("bart", head)
    encoded = made.model.encode(IDS, MASK, params=made.params)
    whole = made.model.decode(IDS, encoded, MASK, params=made.params)[0]
    past = made.model.init_cache(2, 8, encoded)
    places = np.arange(6)[None].repeat(2, 0)
    first = made.model.decode(
        IDS[:, :-1], encoded, MASK, np.ones((2, 8)), places[:, :-1], past, return_dict=False, params=made.params
    )
    assert len(first) == 2
    last = made.model.decode(
        IDS[:, -1:], encoded, MASK, past_key_values=first[1], decoder_position_ids=places[:, -1:], params=made.params
    )
    np.testing.assert_allclose(last[0][:, 0], whole[:, -1], atol=1e-5)
    inner = last.past_key_values if head == "none" else last.past_key_values["model"]
    entry = inner["decoder"]["layers"]["1"]["self_attn"]
    assert int(entry["cache_index"]) == 6
    assert entry["cached_key"].shape == (2, 8, 2, 8)


def test_dropout_depends_on_the_key_alone(writer: Known) -> None:
    drawn = [
        writer.model(IDS, MASK, params=writer.params, train=True, dropout_rng=jax.random.PRNGKey(seed)).logits
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2])
    with pytest.raises(OptionError, match="`dropout_rng` must be given"):
        writer.model(IDS, MASK, params=writer.params, train=True)


def test_the_computation_may_have_another_type_than_the_parameters() -> None:
    exact, half = known(), known(dtype=jnp.bfloat16)
    output = jax.jit(lambda params: half.model(IDS, MASK, params=params))(half.params)
    assert output.logits.dtype == output.encoder_last_hidden_state.dtype == jnp.bfloat16
    expected = exact.model(IDS, MASK, params=exact.params).logits
    np.testing.assert_allclose(output.logits.astype(jnp.float32), expected, atol=0.05 * float(jnp.abs(expected).max()))

    def loss(params: Any) -> Any:
        return half.model(IDS, params=params).logits.sum()

    gradients = jax.eval_shape(jax.grad(loss), half.params)
    assert {leaf.dtype.name for leaf in jax.tree_util.tree_leaves(gradients)} == {"float32"}


def test_a_compiled_call_and_one_for_each_row_give_the_same(writer: Known) -> None:
    expected = writer.model(IDS, MASK, params=writer.params).logits

    @jax.jit
    def compiled(params: Any, ids: Any, mask: Any) -> Any:
        return writer.model(ids, mask, params=params)

    np.testing.assert_allclose(compiled(writer.params, IDS, MASK).logits, expected, atol=1e-5)
    apart = jax.vmap(lambda ids, mask: writer.model(ids[None], mask[None], params=writer.params).logits[0])
    np.testing.assert_allclose(apart(IDS, MASK), expected, atol=1e-5)


ON_TWO_DEVICES = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from tests.backends.flax.reference_models import known
from tests.backends.flax.test_surface import IDS, MASK

made = known()
call = jax.jit(lambda params, ids, mask: made.model(ids, mask, params=params).logits)
expected = call(made.params, IDS, MASK)
mesh = Mesh(np.array(jax.devices()), ("parts",))
whole, by_rows = NamedSharding(mesh, P()), NamedSharding(mesh, P("parts"))
batch = [jax.device_put(each, by_rows) for each in (IDS, MASK)]
by_columns = NamedSharding(mesh, P(None, "parts"))
split = lambda path, leaf: jax.device_put(leaf, by_columns if path[-1].key == "kernel" else whole)
for params in (jax.device_put(made.params, whole), jax.tree_util.tree_map_with_path(split, made.params)):
    logits = call(params, *batch)
    assert len(logits.sharding.device_set) == 2, logits.sharding
    np.testing.assert_allclose(logits, expected, atol=1e-5)
"""


def test_rows_or_matrices_may_lie_on_several_devices() -> None:
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run([sys.executable, "-c", ON_TWO_DEVICES], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[VOCABULARY, 2]],), VocabularyError, "Token ids must lie between 0 and"),
        (([[5] * (POSITIONS + 1)],), LengthError, f"{POSITIONS + 1} tokens"),
        (([5, 2],), ShapeError, "`input_ids` must have 2 axes"),
        (([[5, 2]], [[1]]), ShapeError, r"`attention_mask` must have shape \(1, 2\)"),
        (([[5, 2]], None, [[5], [5], [5]], [[1, 1]]), ShapeError, "`decoder_attention_mask` must have"),
        (([[5, 2], [5, 2]], None, [[5], [5], [5]]), ShapeError, "as many rows as there are sources"),
    ],
)
def test_bad_input_is_refused_by_name(
    writer: Known, arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        writer.model(*arguments, params=writer.params)


def test_arguments_that_are_missing_or_unknown_are_told(writer: Known) -> None:
    alone = models.FlaxBartForCausalLM(BartConfig(d_model=16), _do_init=False)
    small = models.FlaxBlenderbotSmallForConditionalGeneration(BlenderbotSmallConfig(d_model=16), _do_init=False)
    for call in (writer.model, writer.model.encode, alone):
        with pytest.raises(ArgumentError, match=r"`input_ids` must be given(.|\n)*`labels` is no argument"):
            call(labels=IDS)
    for call in (writer.model.decode, small.decode):
        with pytest.raises(ArgumentError, match="`encoder_outputs` must be given"):
            call(IDS)
    with pytest.raises(ArgumentError, match=r"model\(\*\*inputs\)"):
        writer.model({"input_ids": IDS})


def test_a_cache_needs_positions_and_a_source_of_as_many_rows(writer: Known) -> None:
    encoded = writer.model.encode(IDS, MASK, params=writer.params)
    past = writer.model.init_cache(2, 8, encoded)
    with pytest.raises(ValueError, match="`decoder_position_ids` must be given with `past_key_values`"):
        writer.model.decode(IDS[:, :1], encoded, past_key_values=past, params=writer.params)
    with pytest.raises(ShapeError, match="has 3 for 2"):
        writer.model.init_cache(3, 8, encoded)
    with pytest.raises(LengthError, match=f"{POSITIONS + 1} tokens"):
        writer.model.init_cache(2, POSITIONS + 1, encoded)
