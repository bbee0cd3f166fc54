"""How TensorFlow and Flax files name and turn the tensors of the family, and back: rules on names alone.

The number of axes never changes; only the matrices of linear layers ("kernel") lie the other way round there.

    canonical                                       TensorFlow                                     Flax
    model.shared.weight                             model.shared/model.shared/embeddings:0         model/shared/embedding
    model.encoder.layers.0.fc1.weight               ROOT/model/encoder/layers.0/fc1/kernel:0       model/encoder/layers/0/fc1/kernel
    model.encoder.layernorm_embedding.weight        ROOT/model/encoder/layernorm_embedding/gamma:0 …/layernorm_embedding/scale
    final_logits_bias                               final_logits_bias:0                            final_logits_bias

ROOT is the model's class in Keras's spelling (tf_bart_model). Files of a bare Flax model have no `model/`.
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from bartleby.checkpoints.tensors import Array, StoredTensor
from bartleby.errors import CheckpointError, raise_all
from bartleby.family.parameters import LOGITS_BIAS, SHARED

SHARED_IN_TENSORFLOW = "model.shared/model.shared/embeddings:0"
HEADS = ("lm_head", "classification_head", "qa_outputs")
STACKS = ("encoder", "decoder")

FROM_TENSORFLOW = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}
FROM_FLAX = {"kernel": "weight", "embedding": "weight", "scale": "weight"}
WEIGHT_IN_TENSORFLOW = {"norm": "gamma", "embedding": "embeddings", "linear": "kernel"}
WEIGHT_IN_FLAX = {"norm": "scale", "embedding": "embedding", "linear": "kernel"}


def module_kind(name: str) -> str:
    """Of which kind the module is that a canonical name's tensor belongs to: norm, embedding or linear."""
    owner = name.split(".")[-2] if "." in name else ""
    if "norm" in owner:
        return "norm"
    return "embedding" if owner in ("shared", "embed_tokens", "embed_positions") else "linear"


def is_turned(name: str) -> bool:
    """Whether a file of TensorFlow or Flax holds the tensor it calls `name` the other way round."""
    return name.rpartition("/")[2].partition(":")[0] == "kernel"


def from_tensorflow(name: str) -> str:
    """The canonical name of what a TensorFlow file calls `name`, whatever groups and scopes stand before it."""
    # Keras writes `a_._b` for a list inside a layer; older releases call an embedding's table `weight`.
    parts = re.sub(r":\d+$", "", name).replace("_._", "/").split("/")
    return _canonical(parts, FROM_TENSORFLOW)


def from_flax(name: str) -> str:
    """The canonical name of what a Flax file calls `name`, its levels joined by "/"."""
    return _canonical(name.split("/"), FROM_FLAX)


def _canonical(parts: list[str], leaves: dict[str, str]) -> str:
    *path, leaf = parts
    stack = next((place for place, part in enumerate(path) if part in STACKS), None)
    if stack is not None:
        return ".".join(["model", *path[stack:], leaves.get(leaf, leaf)])
    if LOGITS_BIAS in parts:
        return LOGITS_BIAS
    head = next((place for place in reversed(range(len(path))) if path[place] in HEADS), None)
    if head is not None:
        return ".".join([*path[head:], leaves.get(leaf, leaf)])
    if path and path[-1] in ("shared", "model.shared"):
        return SHARED
    return ".".join(parts)


def to_tensorflow(name: str, root: str) -> str:
    """The name of a canonical tensor in a TensorFlow file; `root` is the model's, see `tensorflow_root`."""
    if name == SHARED:
        return SHARED_IN_TENSORFLOW
    if name == LOGITS_BIAS:
        return f"{LOGITS_BIAS}:0"
    path, _, leaf = name.rpartition(".")
    if module_kind(name) == "norm" and leaf == "bias":
        leaf = "beta"
    elif leaf == "weight":
        leaf = WEIGHT_IN_TENSORFLOW[module_kind(name)]
    levels = re.sub(r"\.(?!\d)", "/", path)  # "layers.0" is one level
    return f"{root}/{levels}/{leaf}:0"


def to_flax(name: str, bare: bool = False) -> str:
    """The name of a canonical tensor in a Flax file, its levels joined by "/"."""
    path, _, leaf = name.rpartition(".")
    if leaf == "weight":
        leaf = WEIGHT_IN_FLAX[module_kind(name)]
    joined = f"{path}.{leaf}".lstrip(".").replace(".", "/")
    return joined.removeprefix("model/") if bare else joined


def tensorflow_root(class_name: str) -> str:
    """Keras's name for a model of a class: TFBartModel -> tf_bart_model."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", class_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def tensorflow_order(name: str) -> tuple[object, ...]:
    """Sorts canonical names as TensorFlow's own files list them: by their use, but keys before queries."""
    stack = {"shared": 0, "encoder": 1, "decoder": 2}.get([*name.split("."), ""][1], 3)
    layer = re.search(r"layers\.(\d+)\.", name)
    inside = name[layer.end() :] if layer else ""
    steps = ("self_attn.", "self_attn_layer_norm", "encoder_attn.", "encoder_attn_layer_norm", "fc1", "fc2", "final_")
    step = next((place for place, step in enumerate(steps) if inside.startswith(step)), 0)
    projection = next((p for p, key in enumerate(("k_proj", "q_proj", "v_proj", "out_proj")) if key in inside), 0)
    where = 0 if "embed_positions" in name else 1 if layer else 2
    return stack, where, int(layer[1]) if layer else 0, step, projection, name.rpartition(".")[0], "bias" in name


def turned(tensor: StoredTensor) -> StoredTensor:
    """The tensor with its axes reversed, copied when it is read."""
    read = partial(_turn, tensor)
    return replace(tensor, shape=tensor.shape[::-1], read=read, place=(tensor.place, "turned"))


def _turn(tensor: StoredTensor) -> Array:
    return np.require(tensor.raw().T, requirements=("C", "A", "W"))


def translated(tensors: Iterable[StoredTensor], rule: Callable[[str], str], file: Path) -> dict[str, StoredTensor]:
    """Canonical name -> tensor, turned where need be; each remembers as `origin` what the file calls it.

    Raises: CheckpointError if two of them have the same canonical name.
    """
    found: dict[str, StoredTensor] = {}
    faults: list[str] = []
    for tensor in tensors:
        name = rule(tensor.name)
        if name in found:
            faults.append(f"`{found[name].origin}` and `{tensor.name}` are both names of the parameter `{name}`.")
        upright = turned(tensor) if is_turned(tensor.name) else tensor
        found[name] = replace(upright, name=name, origin=tensor.name)
    raise_all(CheckpointError, faults, str(file))
    return found
