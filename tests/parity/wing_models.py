"""The same weights in every wing, and what each makes of the same inputs: NumPy arrays by the names of outputs.

`WINGS` are the installed ones; "plain" is the NumPy definition, which all must equal. Weights and gradients go by the
canonical names of family/parameters.py, and lie as they lie there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import bartleby
from bartleby.checkpoints.layouts import from_flax, is_turned, to_flax
from bartleby.family import masks, reference
from bartleby.family.config import PreTrainedConfig
from tests.parity.forward_draws import CLASS_PREFIX
from tests.parity.wing_answers import flax_params, tf_filled, tf_variables

Arrays = dict[str, npt.NDArray[Any]]

FRAMEWORK = {"pytorch": "torch", "flax": "flax", "keras": "tensorflow"}
PREFIX = {"pytorch": "", "flax": "Flax", "keras": "TF"}
WINGS = [wing for wing, framework in FRAMEWORK.items() if find_spec(framework) is not None]

MODELS = [
    *(("bart", suffix) for suffix in ("Model", "ForConditionalGeneration", "ForCausalLM")),
    *(("bart", suffix) for suffix in ("ForSequenceClassification", "ForQuestionAnswering")),
    *(("blenderbot", suffix) for suffix in ("Model", "ForConditionalGeneration", "ForCausalLM")),
    *(("blenderbot-small", suffix) for suffix in ("Model", "ForConditionalGeneration", "ForCausalLM")),
]


class Filled(NamedTuple):
    """A Flax model and its parameters."""

    model: Any
    params: Any


def build(wing: str, config: PreTrainedConfig, suffix: str, weights: Arrays) -> Any:
    """The wing's class with these weights, not in training."""
    made = getattr(bartleby, f"{PREFIX[wing]}{CLASS_PREFIX[config.model_type]}{suffix}")
    if wing == "flax":
        model = made(config, _do_init=False)  # drawing parameters takes longer than all that is done with them
        return Filled(model, flax_params(model.params_shape_tree, weights, bare=suffix == "Model"))
    model = made(config)
    if wing == "keras":
        tf_filled(model, weights)
    else:
        import torch

        names = {f"model.{name}" if suffix == "Model" else name: name for name in model.state_dict()}
        model.eval().load_state_dict({own: torch.from_numpy(weights[name].copy()) for name, own in names.items()})
    return model


def defined(config: PreTrainedConfig, suffix: str, weights: Arrays, inputs: Arrays) -> Arrays:
    """What the definition says of the same inputs, by the names of the wings' outputs."""
    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    if suffix == "ForCausalLM":
        states = inputs.get("encoder_hidden_states")
        hidden = reference.decode(weights, config, ids, states, inputs.get("encoder_attention_mask"), mask)
        return {"logits": reference.lm_logits(weights, hidden)}
    if suffix == "ForSequenceClassification":
        return {"logits": reference.classify(weights, config, ids, mask)}
    if suffix == "ForQuestionAnswering":
        starts, ends = reference.spans(weights, config, ids, mask)
        return {"start_logits": starts, "end_logits": ends}
    encoded = reference.encode(weights, config, ids, mask)
    targets = inputs.get("decoder_input_ids", masks.shift_right(ids, config))
    hidden = reference.decode(weights, config, targets, encoded, mask, inputs.get("decoder_attention_mask"))
    if suffix == "Model":
        return {"last_hidden_state": hidden, "encoder_last_hidden_state": encoded}
    return {"logits": reference.lm_logits(weights, hidden), "encoder_last_hidden_state": encoded}


def computed(wing: str, model: Any, inputs: Mapping[str, Any], **options: Any) -> Arrays:
    """Every array of the output of one pass, without the memory."""
    if wing == "flax":
        import jax

        output = jax.jit(lambda params, given: model.model(**given, params=params, **options))(
            model.params, dict(inputs)
        )
    elif wing == "keras":
        output = model(tensors(wing, inputs), **options, use_cache=False)
    else:
        import torch

        with torch.inference_mode():
            output = model(**tensors(wing, inputs), **options, use_cache=False)
    return dict(_arrays(output))


def _arrays(output: Mapping[str, Any]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for name, value in output.items():
        if isinstance(value, tuple | list):
            yield from ((f"{name}.{place}", np.asarray(each)) for place, each in enumerate(value))
        elif value is not None and name != "past_key_values":
            yield name, np.asarray(value)


def tensors(wing: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as the wing's tensors."""
    if wing == "pytorch":
        import torch

        return {name: torch.from_numpy(np.asarray(array)) for name, array in inputs.items()}
    if wing == "keras":
        import tensorflow as tf

        return {name: tf.constant(array) for name, array in inputs.items()}
    return dict(inputs)


def directed(output: Any, *, ravel: Callable[[Any], Any], multiply: Callable[[Any, Any], Any]) -> Any:
    """A number that hangs on every number of the first output: their sum under weights from -1 to 2."""
    first = ravel(output["logits"] if "logits" in output else next(iter(output.values())))
    return multiply(first, np.linspace(-1, 2, int(first.shape[0]), dtype=np.float32))


def gradients(wing: str, model: Any, inputs: Mapping[str, Any]) -> Arrays:
    """Of `directed`, for every parameter that it hangs on."""
    return {"pytorch": _of_torch, "flax": _of_flax, "keras": _of_keras}[wing](model, tensors(wing, inputs))


def _of_torch(model: Any, inputs: dict[str, Any]) -> Arrays:
    import torch

    output = model(**inputs, use_cache=False)
    directed(output, ravel=torch.ravel, multiply=lambda one, other: one @ torch.from_numpy(other)).backward()
    bare = "" if hasattr(model, "model") else "model."
    found = {f"{bare}{name}": each.grad for name, each in model.named_parameters() if each.grad is not None}
    return {name: gradient.numpy() for name, gradient in found.items()}


def _of_flax(model: Any, inputs: dict[str, Any]) -> Arrays:
    import jax
    import jax.numpy as jnp

    def number(params: Any) -> Any:
        return directed(model.model(**inputs, params=params), ravel=jnp.ravel, multiply=jnp.dot)

    tree = jax.jit(jax.grad(number))(model.params)
    bare = "model/" if "model" not in tree else ""
    named = {f"{bare}{path}": np.asarray(each) for path, each in flat(tree)}
    return {from_flax(name): array.T if is_turned(name) else array for name, array in named.items()}


def flat(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested dictionaries by their path."""
    for key, each in tree.items():
        name = f"{path}/{key}" if path else key
        if isinstance(each, Mapping):
            yield from flat(each, name)
        else:
            yield name, each


def _of_keras(model: Any, inputs: dict[str, Any]) -> Arrays:
    import tensorflow as tf

    variables = tf_variables(model)
    with tf.GradientTape() as tape:
        output = model(inputs, use_cache=False)
        number = directed(
            output,
            ravel=lambda each: tf.reshape(each, (-1,)),
            multiply=lambda one, other: tf.tensordot(one, tf.constant(other), 1),
        )
    found = tape.gradient(number, [getattr(each, "value", each) for each in variables.values()])
    arrays = {
        name: tf.convert_to_tensor(gradient).numpy()
        for name, gradient in zip(variables, found, strict=True)
        if gradient is not None
    }
    return {name: array.T if is_kernel(name, array) else array for name, array in arrays.items()}


def is_kernel(name: str, array: npt.NDArray[Any]) -> bool:
    """Whether TensorFlow keeps the weight of this name the other way round."""
    return name.endswith(".weight") and array.ndim == 2 and "embed" not in name and "shared" not in name


def taught(wing: str, model: Any, inputs: Arrays, rate: float = 0.01) -> Any:
    """The model after one step down the gradient of `directed`."""
    slopes = gradients(wing, model, inputs)
    if wing == "flax":
        import jax

        named = {to_flax(name): array.T if is_turned(to_flax(name)) else array for name, array in slopes.items()}
        down = unflatten({name: named[name] for name, _ in flat(model.params)})
        return Filled(model.model, jax.tree_util.tree_map(lambda one, slope: one - rate * slope, model.params, down))
    if wing == "keras":
        for name, variable in tf_variables(model).items():
            if name in slopes:
                slope = slopes[name].T if is_kernel(name, slopes[name]) else slopes[name]
                variable.assign(np.asarray(variable) - rate * slope)
        return model
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= rate * (0.0 if parameter.grad is None else parameter.grad)
    return model


def unflatten(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dictionaries of leaves by path."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *levels, last = path.split("/")
        branch = tree
        for level in levels:
            branch = branch.setdefault(level, {})
        branch[last] = leaf
    return tree


def save(wing: str, model: Any, folder: Path) -> None:
    """As the wing saves when nothing else is asked for."""
    if wing == "flax":
        model.model.save_pretrained(folder, params=model.params)
    else:
        model.save_pretrained(folder)


def load(wing: str, class_name: str, folder: Path) -> Any:
    """What another wing's `save` has written, as the wing's own class."""
    model = getattr(bartleby, PREFIX[wing] + class_name).from_pretrained(folder)
    return Filled(model, model.params) if wing == "flax" else model


def as_backend(wing: str, model: Any) -> Any:
    """The wing's implementation of what tasks ask for."""
    if wing == "flax":
        from bartleby.backends.flax.backend import FlaxBackend

        whole = type(model.model)(model.model.config)
        whole.params = model.params
        return FlaxBackend(whole)
    if wing == "keras":
        from bartleby.backends.keras.backend import TensorFlowBackend

        return TensorFlowBackend(model)
    from bartleby.backends.pytorch.backend import PyTorchBackend

    return PyTorchBackend(model)
