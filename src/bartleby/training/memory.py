"""What a step needs room for, told before the first: weights, gradients, what optimizers keep, what layers leave.

The last is counted, not guessed: what one layer saves for its way back is so many vectors a place, of the size of the
model and of its inner layer, and the weights of its attentions (compare Korthikanti et al. 2022, arXiv 2205.05198,
section 4.1, which counts 34 bytes times d for a layer like ours in half precision). What kernels need meanwhile is not
in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from bartleby.backends.pytorch.model import Model
from bartleby.family.config import PreTrainedConfig
from bartleby.training.settings import TrainingOptions

FLOAT, HALF = 4, 2
VECTORS = {
    # With one attention: what enters it, queries, keys, values, what they mix to and that merged, the noise of two
    # dropouts and what two norms read. With two there are seven more, for the source's keys and values are shared.
    "no": {1: 10 * FLOAT, 2: 17 * FLOAT},
    # Norms and sums stay in float32, the rest is halved: 14 and 24 halves' worth.
    "half": {1: 14 * HALF, 2: 24 * HALF},
}
"""Bytes that a layer saves a place and entry of d_model, by how many attentions it has."""
SCORES_A_LABEL = 3 * FLOAT
"""Scores in float32, their log-probabilities, and the gradient that meets both."""


@dataclass(frozen=True)
class Memory:
    """Bytes on each device."""

    weights: int
    gradients: int
    optimizer: int
    averages: int
    activations: int

    @property
    def total(self) -> int:
        return sum(vars(self).values())


def training_bytes(
    model: Model, options: TrainingOptions, batch_tokens: int, length: int | None = None, processes: int = 1
) -> Memory:
    """What training `model` needs on each of `processes` devices, for batches of at most `batch_tokens` places.

    `length` is the longest row, else all positions of the model; half of the places are taken to be targets.
    """
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    count = sum(parameter.numel() for parameter in trained)
    places = -(-batch_tokens // (processes * options.accumulation))
    share = processes if options.sharding == "full" else 1
    return Memory(
        weights=weights // share + (HALF * weights // FLOAT if options.precision != "no" else 0),
        gradients=count * FLOAT // share,
        optimizer=optimizer_numbers(model, options.optimizer) * FLOAT // share,
        averages=(count * FLOAT // share) if options.ema_decay else 0,
        activations=activation_bytes(model, options, places, length or model.config.max_position_embeddings),
    )


def optimizer_numbers(model: nn.Module, optimizer: str) -> int:
    """How many numbers an optimizer keeps: AdamW two an entry, Muon one, Adafactor one a row and one a column."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if optimizer == "adafactor":
        return sum(sum(parameter.shape) if parameter.ndim > 1 else parameter.numel() for parameter in trained)
    by_muon = {id(each) for each in trained if each.ndim > 1 and id(each) not in tables and optimizer == "muon"}
    return sum(parameter.numel() * (1 if id(parameter) in by_muon else 2) for parameter in trained)


def activation_bytes(model: Model, options: TrainingOptions, places: int, length: int) -> int:
    """What a pass over `places` leaves for the way back; where layers run again, that of one of them is enough."""
    config = model.config
    targets = places // 2 if config.is_encoder_decoder else places
    attentions = 2 if config.is_encoder_decoder else 1
    decoder = targets * layer_bytes(config, options.precision, attentions, config.decoder_ffn_dim)
    decoder += targets * attentions * attention_bytes(model, options.precision, config.decoder_attention_heads, length)
    stacks = [(config.decoder_layers, targets, decoder)]
    if config.is_encoder_decoder:
        sources = places - targets
        encoder = sources * layer_bytes(config, options.precision, 1, config.encoder_ffn_dim)
        encoder += sources * attention_bytes(model, options.precision, config.encoder_attention_heads, length)
        stacks.append((config.encoder_layers, sources, encoder))
    scores = targets * config.vocab_size * SCORES_A_LABEL if hasattr(model, "lm_logits") else 0
    if not options.gradient_checkpointing:
        return scores + sum(layers * layer for layers, _, layer in stacks)
    kept = sum(layers * count * config.d_model * FLOAT for layers, count, _ in stacks)
    return kept + max(scores, *(layer for _, _, layer in stacks))  # scores are gone when the first layer runs again


def layer_bytes(config: PreTrainedConfig, precision: str, attentions: int, inner: int) -> int:
    """Of one layer a place, without the weights of its attentions; the inner layer before and after it is bent."""
    vectors = VECTORS["no" if precision == "no" else "half"][attentions]
    return vectors * config.d_model + 2 * inner * (FLOAT if precision == "no" else HALF)


def attention_bytes(model: Model, precision: str, heads: int, length: int) -> int:
    """The weights of one attention a place, where they are kept for the way back.

    Fused kernels keep none; on a CPU there is none that drops weights, and none is used in bfloat16.
    """
    drops = model.config.attention_dropout > 0
    if model.device.type != "cpu" or (precision == "no" and not drops):
        return 0
    size = FLOAT if precision == "no" else HALF
    return heads * length * size * (3 if drops else 1)  # dropout keeps its noise, and what it left
