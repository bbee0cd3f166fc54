"""What the Flax and TensorFlow classes of a library answer to the draws of wing_draws.py, in names and NumPy arrays.

`library` is this package or transformers 4.37.2: the classes have the same names and are called alike. Only how weights
are put into a TensorFlow model, and how its memory is nested, is told apart.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bartleby.checkpoints.layouts import from_tensorflow, is_turned, to_flax
from tests.parity.draws import Draw
from tests.parity.forward_draws import CLASS_PREFIX
from tests.parity.wing_draws import CACHE, ROWS, WingDraw

Arrays = dict[str, npt.NDArray[Any]]
MOST_NUMBERS = 120
"""Longer arrays are kept as some weighted sums, unless they hold infinities."""

STEPS = ((0, 2), (2, 3), (3, 5))
"""The parts of a target that are read one after the other, with a memory."""


def answer(library: Any, draw: WingDraw) -> Arrays:
    """Everything that the class gives back, kept small."""
    answers = {"Flax": {"call": flax_call, "tuple": flax_call, "parts": flax_parts, "lesson": flax_lesson}}
    answers["TF"] = {"call": tf_call, "tuple": tf_call, "cache": tf_cache, "lesson": tf_lesson}
    answers["Flax"]["cache"] = flax_decoder_cache if draw.suffix == "ForCausalLM" else flax_cache
    model = (flax_model if draw.framework == "Flax" else tf_model)(library, draw)
    told = answers[draw.framework][draw.kind](model, draw)
    return {name: kept(array) for name, array in leaves(told)}


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The arrays of outputs, tuples and dictionaries by their path; nothing for None."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from leaves(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, tuple | list):
        for place, each in enumerate(value):
            yield from leaves(each, f"{name}.{place}" if name else str(place))
    elif value is not None:
        yield name, np.asarray(value)


def kept(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array itself, or its shape and eight sums of it under random weights, which no change leaves as they are."""
    if array.size <= MOST_NUMBERS or not np.isfinite(array).all():
        return array
    weights = np.random.default_rng(array.size).standard_normal((8, array.size)) / np.sqrt(array.size)
    sums = weights @ array.reshape(-1).astype(np.float64)
    return np.concatenate([np.array(array.shape, dtype=np.float32), sums.astype(np.float32)])


# --------------------------------------------------------------------------------------------------------------- Flax


def flax_model(library: Any, draw: WingDraw) -> Any:
    config = getattr(library, f"{CLASS_PREFIX[draw.model_type]}Config")(**draw.fields)
    model = getattr(library, draw.class_name)(config, seed=1)
    model.params = flax_params(model.params, draw.weights, bare=draw.suffix == "Model")
    return model


def flax_params(params: Any, weights: Arrays, bare: bool = False) -> Any:
    """A tree like `params` with canonical weights, each of which must have the shape that is there."""
    named = {to_flax(name, bare): array for name, array in weights.items()}

    def filled(branch: Any, path: str) -> Any:
        if isinstance(branch, Mapping):
            return {key: filled(each, f"{path}/{key}" if path else key) for key, each in branch.items()}
        array = named[path].T if is_turned(path) else named[path]
        assert array.shape == branch.shape, path
        return np.ascontiguousarray(array)

    return filled(params, "")


def inputs_and_labels(draw: WingDraw) -> tuple[Arrays, Any]:
    inputs = {name: array for name, array in draw.inputs.items() if name != "labels"}
    return inputs, draw.inputs.get("labels")


def flax_call(model: Any, draw: WingDraw) -> Any:
    inputs, _ = inputs_and_labels(draw)
    return model(**inputs, **draw.options, return_dict=draw.kind != "tuple")


def flax_parts(model: Any, draw: WingDraw) -> Any:
    """What `encode` and `decode` give one after the other."""
    inputs = draw.inputs
    source = {name: inputs[name] for name in ("input_ids", "attention_mask", "position_ids") if name in inputs}
    states = model.encode(**source, **draw.options)
    target = {name: array for name, array in inputs.items() if name.startswith("decoder_")}
    output = model.decode(
        encoder_outputs=states, encoder_attention_mask=inputs.get("attention_mask"), **target, **draw.options
    )
    return {"encoder": dict(states), "decoder": dict(output)}


def flax_cache(model: Any, draw: WingDraw) -> Any:
    """Logits or states of every part of a target, and the memory that is left."""
    inputs = draw.inputs
    mask = inputs.get("attention_mask")
    states = model.encode(inputs["input_ids"], mask, inputs.get("position_ids"))
    past = model.init_cache(ROWS, CACHE, states)
    seen = np.ones((ROWS, CACHE), dtype=np.int32)
    given = inputs.get("decoder_attention_mask", seen[:, :0])
    seen[:, : given.shape[1]] = given
    told = []
    for first, last in STEPS:
        output = model.decode(
            inputs["decoder_input_ids"][:, first:last],
            states,
            encoder_attention_mask=mask,
            decoder_attention_mask=seen,
            decoder_position_ids=np.tile(np.arange(first, last, dtype=np.int32), (ROWS, 1)),
            past_key_values=past,
        )
        past = output.past_key_values
        told.append(output[0])
    return {"steps": told, "past": past}


def flax_decoder_cache(model: Any, draw: WingDraw) -> Any:
    """The same of a decoder alone; what it sees of a source, it is given again in every step."""
    inputs = dict(draw.inputs)
    ids, given = inputs.pop("input_ids"), inputs.pop("attention_mask", np.ones((ROWS, 0)))
    past, told = model.init_cache(ROWS, CACHE), []
    seen = np.ones((ROWS, CACHE), dtype=np.int32)
    seen[:, : given.shape[1]] = given
    for first, last in STEPS:
        places = np.tile(np.arange(first, last, dtype=np.int32), (ROWS, 1))
        output = model(ids[:, first:last], attention_mask=seen, position_ids=places, past_key_values=past, **inputs)
        past = output.past_key_values
        told.append(output[0])
    return {"steps": told, "past": past}


def flax_lesson(model: Any, draw: WingDraw) -> Any:
    """The gradient of cross entropy, or of a squared error, for every parameter."""
    import jax
    import jax.numpy as jnp

    inputs, labels = inputs_and_labels(draw)

    def cross_entropy(logits: Any, wanted: Any) -> Any:
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.maximum(wanted, 0)[..., None], axis=-1)[..., 0]
        return -(chosen * (wanted != -100)).sum() / (wanted != -100).sum()

    def loss(params: Any) -> Any:
        output = model(**inputs, params=params)
        if draw.suffix == "ForQuestionAnswering":
            return cross_entropy(output.start_logits, labels[0]) + cross_entropy(output.end_logits, labels[1])
        if output.logits.shape[-1] == 1:
            return ((output.logits[:, 0] - labels) ** 2).mean()
        length = labels.shape[-1]
        return cross_entropy(output.logits[:, :length] if labels.ndim == 2 else output.logits, labels)

    value, gradients = jax.value_and_grad(loss)(model.params)
    return {"loss": value, "gradients": sums_of_some(dict(leaves_by_path(gradients)))}


def leaves_by_path(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, each in tree.items():
        name = f"{path}/{key}" if path else key
        if isinstance(each, Mapping):
            yield from leaves_by_path(each, name)
        else:
            yield name, each


def sums_of_some(gradients: Mapping[str, Any]) -> Arrays:
    """The gradients of some parameters, summed over the first axis, and of all tables of tokens together.

    That release has one table where nothing is tied, and here there are several.
    """
    arrays = {name.replace(".", "/"): np.asarray(each) for name, each in gradients.items()}
    tables = [name for name in arrays if "shared" in name or "embed_tokens" in name]
    chosen = [name for name in sorted(arrays.keys() - {*tables}) if zlib.crc32(name.encode()) % 5 == 0]
    table = sum(arrays[name] for name in tables).sum(axis=0)
    return {"tables": table, **{name: arrays[name].sum(axis=0) for name in chosen}}


# --------------------------------------------------------------------------------------------------------- TensorFlow


def tf_model(library: Any, draw: WingDraw) -> Any:
    config = getattr(library, f"{CLASS_PREFIX[draw.model_type]}Config")(**draw.fields)
    return tf_filled(getattr(library, draw.class_name)(config), draw.weights)


def tf_filled(model: Any, weights: Arrays) -> Any:
    """The model with canonical weights, each of which must have the shape that is there."""
    for name, variable in tf_variables(model).items():
        array = weights[name].astype(np.float32)
        is_kernel = name.endswith(".weight") and array.ndim == 2 and "embed" not in name and "shared" not in name
        array = array.T if is_kernel else array
        assert tuple(variable.shape) == array.shape, name
        variable.assign(array)
    return model


def tf_variables(model: Any) -> dict[str, Any]:
    """Canonical name -> variable."""
    if hasattr(model, "variables_by_name"):
        return dict(model.variables_by_name())
    model.build_in_name_scope()
    return {from_tensorflow(variable.name): variable for variable in model.weights}


def tf_inputs(draw: WingDraw) -> dict[str, Any]:
    import tensorflow as tf

    return {"input_ids": None, **{name: tf.constant(array) for name, array in draw.inputs.items()}}


def tf_call(model: Any, draw: WingDraw) -> Any:
    output = model(**tf_inputs(draw), **draw.options, return_dict=draw.kind != "tuple")
    if draw.kind == "tuple":
        return as_published([each for each in output if each is not None])
    told = dict(output)
    return {**told, "past_key_values": as_published(told.get("past_key_values"))}


def as_published(value: Any) -> Any:
    """Four tensors of a layer's memory as the one that the documentation tells of: keys and values of what was read.

    That release also keeps the source's, which it makes of the same states every time.
    """
    if isinstance(value, tuple | list):
        if len(value) == 4 and all(len(getattr(each, "shape", ())) == 4 for each in value):
            return np.stack([np.asarray(each) for each in value[:2]])
        return [as_published(each) for each in value]
    return value


def tf_cache(model: Any, draw: WingDraw) -> Any:
    """Logits or states of every part of a target, and the memory that is left."""
    inputs = tf_inputs(draw)
    ids = inputs.pop("decoder_input_ids")
    seen = inputs.pop("decoder_attention_mask", None)
    past, told = None, []
    for first, last in STEPS:
        mask = {} if seen is None else {"decoder_attention_mask": seen[:, :last]}
        step = model(**inputs, **mask, decoder_input_ids=ids[:, first:last], past_key_values=past, **draw.options)
        past = step.past_key_values
        told.append(step[0])
        inputs |= {"input_ids": None, "inputs_embeds": None, "encoder_outputs": (step.encoder_last_hidden_state,)}
    return {"steps": told, "past": as_published(past)}


def tf_lesson(model: Any, draw: WingDraw) -> Any:
    """The loss of the labels and the gradient of its mean for every variable."""
    import tensorflow as tf

    variables = {name: each for name, each in tf_variables(model).items() if name != "final_logits_bias"}
    with tf.GradientTape() as tape:
        loss = model(**tf_inputs(draw), **draw.options).loss
        mean = tf.reduce_mean(loss)
    sources = [each if isinstance(each, tf.Variable) else each.value for each in variables.values()]
    found = tape.gradient(mean, sources)
    pairs = zip(variables, found, strict=True)
    dense = {name: tf.convert_to_tensor(gradient) for name, gradient in pairs if gradient is not None}
    return {"loss": loss, "gradients": sums_of_some(dense)}


# ---------------------------------------------------------------------------------------------------------- searching


def searched(library: Any, framework: str, drawn: Draw) -> Arrays:
    """The ids that `generate` writes, and the scores it gives of them."""
    suffix = "ForConditionalGeneration"
    shape = WingDraw(framework, drawn.model_type, suffix, "call", 0, fields_of(drawn), as_float32(drawn))  # type: ignore[arg-type]
    longest, pad = max(map(len, drawn.sources)), drawn.config.pad_token_id
    ids = np.array([[*source, *[pad] * (longest - len(source))] for source in drawn.sources], dtype=np.int32)
    mask = np.array([[1] * len(source) + [0] * (longest - len(source)) for source in drawn.sources], dtype=np.int32)
    model = (flax_model if framework == "Flax" else tf_model)(library, shape)
    model.generation_config = library.GenerationConfig()  # what the draw says, and nothing from the config
    if framework == "Flax":
        output = model.generate(ids, attention_mask=mask, **drawn.options)
        scores = {"scores": output.scores} if "scores" in output else {}
        return {"sequences": np.asarray(output.sequences), **dict(leaves(scores))}
    import tensorflow as tf

    told = {"return_dict_in_generate": True, "output_scores": True}
    output = model.generate(tf.constant(ids), attention_mask=tf.constant(mask), **drawn.options, **told)
    beams = {"sequences_scores": output.sequences_scores} if drawn.options["num_beams"] > 1 else {}
    first = {"first_scores": output.scores[0], "steps": len(output.scores)}
    scores = {name: kept(each) for name, each in leaves({**beams, **first})}
    return {"sequences": np.asarray(output.sequences), **scores}


FIELDS = (
    *("vocab_size", "max_position_embeddings", "d_model", "activation_function"),
    *("encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads"),
    *("encoder_ffn_dim", "decoder_ffn_dim", "scale_embedding", "tie_word_embeddings"),
)


def fields_of(drawn: Draw) -> dict[str, Any]:
    return {name: getattr(drawn.config, name) for name in FIELDS}


def as_float32(drawn: Draw) -> Arrays:
    return {name: array.astype(np.float32) for name, array in drawn.weights().items()}
