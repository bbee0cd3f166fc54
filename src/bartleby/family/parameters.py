"""Every tensor of a model, declared once: its name, shape and kind, and what it shares memory with.

Names are those of the published checkpoints of a model with a head, so always behind `model.`. Loading, saving,
initialising, converting and counting read this table; a wing that has a parameter more or less than it fails its tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bartleby.family.architecture import architecture_of
from bartleby.family.config import PreTrainedConfig

Head = Literal[
    "none",
    "conditional_generation",
    "sequence_classification",
    "question_answering",
    "causal_lm",
    "encoder",
    "decoder",
]
"""What stands on the two stacks; the last two are one stack alone, and the causal LM is the decoder with an output."""

Kind = Literal["linear", "norm", "embedding", "buffer"]
Side = Literal["encoder", "decoder"]

SHARED = "model.shared.weight"
LOGITS_BIAS = "final_logits_bias"
HEADS_BY_CLASS: dict[str, Head] = {
    "ForConditionalGeneration": "conditional_generation",
    "ForSequenceClassification": "sequence_classification",
    "ForQuestionAnswering": "question_answering",
    "ForCausalLM": "causal_lm",
    "Model": "none",
    "Encoder": "encoder",
    "Decoder": "decoder",
}
"""The ending of a class's name -> its head."""


@dataclass(frozen=True)
class Parameter:
    """One tensor: `kind` is that of the module it belongs to; its bias is told by the name."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    tied_to: str | None = None


def head_of(config: PreTrainedConfig) -> Head:
    """The head of the class that config.json names; the one that writes if it names none."""
    named = [name for name in config.architectures or () if isinstance(name, str)]
    found = (head for ending, head in HEADS_BY_CLASS.items() if named and named[0].endswith(ending))
    return next(found, "conditional_generation")


def parameter_table(config: PreTrainedConfig, head: Head = "conditional_generation") -> tuple[Parameter, ...]:
    """All parameters of the model `config` describes under `head`, in the order a reader meets them.

    Raises: ConfigError if no model can be built of it.
    """
    config.check_buildable()
    return tuple(_walk(config, head))


def parameter_count(config: PreTrainedConfig, head: Head = "conditional_generation") -> int:
    """Numbers to train: tied tensors once, buffers not at all."""
    return sum(
        _size(parameter.shape)
        for parameter in parameter_table(config, head)
        if parameter.tied_to is None and parameter.kind != "buffer"
    )


def _walk(config: PreTrainedConfig, head: Head) -> Iterator[Parameter]:
    if head == "encoder":
        yield from _stack(config, "encoder", tied_to=None)
        return
    if head in ("decoder", "causal_lm"):
        yield from _stack(config, "decoder", tied_to=None)  # cross-attention too: used when encoder states are given
        if head == "causal_lm":
            yield _lm_head(config, tied_to="model.decoder.embed_tokens.weight")
        return
    yield Parameter(SHARED, (config.vocab_size, config.d_model), "embedding")
    yield from _stack(config, "encoder", tied_to=SHARED)
    yield from _stack(config, "decoder", tied_to=SHARED)
    if head == "conditional_generation":
        yield _lm_head(config, tied_to=SHARED)
        yield Parameter(LOGITS_BIAS, (1, config.vocab_size), "buffer")
    elif head == "sequence_classification":
        yield from _linear("classification_head.dense", config.d_model, config.d_model)
        yield from _linear("classification_head.out_proj", config.num_labels, config.d_model)
    elif head == "question_answering":
        yield from _linear("qa_outputs", 2, config.d_model)


def _stack(config: PreTrainedConfig, side: Side, tied_to: str | None) -> Iterator[Parameter]:
    switches = architecture_of(config.model_type)
    prefix = f"model.{side}"
    rows = config.max_position_embeddings + switches.position_offset
    tie = tied_to if config.tie_word_embeddings else None
    yield Parameter(f"{prefix}.embed_tokens.weight", (config.vocab_size, config.d_model), "embedding", tie)
    yield Parameter(f"{prefix}.embed_positions.weight", (rows, config.d_model), "embedding")
    embedding_norm = switches.encoder_embedding_norm if side == "encoder" else switches.decoder_embedding_norm
    if embedding_norm != "none":
        yield from _norm(f"{prefix}.layernorm_embedding", config.d_model)
    for index in range(config.encoder_layers if side == "encoder" else config.decoder_layers):
        pruned = len(config.pruned_heads.get(index, ())) if side == "encoder" else 0
        yield from _layer(config, f"{prefix}.layers.{index}", side, pruned)
    if switches.final_norm:
        yield from _norm(f"{prefix}.layer_norm", config.d_model)


def _layer(config: PreTrainedConfig, prefix: str, side: Side, pruned: int) -> Iterator[Parameter]:
    """One layer, of which `pruned` heads were taken out: their rows and columns are no longer there."""
    ffn = config.encoder_ffn_dim if side == "encoder" else config.decoder_ffn_dim
    inner = config.d_model - pruned * (config.d_model // config.encoder_attention_heads)
    for attention in ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",):
        for projection in ("q_proj", "k_proj", "v_proj"):
            yield from _linear(f"{prefix}.{attention}.{projection}", inner, config.d_model)
        yield from _linear(f"{prefix}.{attention}.out_proj", config.d_model, inner)
        yield from _norm(f"{prefix}.{attention}_layer_norm", config.d_model)
    yield from _linear(f"{prefix}.fc1", ffn, config.d_model)
    yield from _linear(f"{prefix}.fc2", config.d_model, ffn)
    yield from _norm(f"{prefix}.final_layer_norm", config.d_model)


def _lm_head(config: PreTrainedConfig, tied_to: str) -> Parameter:
    tie = tied_to if config.tie_word_embeddings else None
    return Parameter("lm_head.weight", (config.vocab_size, config.d_model), "linear", tie)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[Parameter]:
    yield Parameter(f"{name}.weight", (outputs, inputs), "linear")
    yield Parameter(f"{name}.bias", (outputs,), "linear")


def _norm(name: str, size: int) -> Iterator[Parameter]:
    yield Parameter(f"{name}.weight", (size,), "norm")
    yield Parameter(f"{name}.bias", (size,), "norm")


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for axis in shape:
        total *= axis
    return total
