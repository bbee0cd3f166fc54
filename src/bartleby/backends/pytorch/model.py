"""What every model of the family has besides its computation: tables to swap, heads to prune, layers to run again."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bartleby.backends.pytorch.loading.options import ATTENTION, attention_fault
from bartleby.backends.pytorch.pretrained import PreTrainedModel
from bartleby.errors import ArgumentError, ConfigError, OptionError, raise_all
from bartleby.family.architecture import architecture_of
from bartleby.family.config import PreTrainedConfig

logger = logging.getLogger(__name__)


class Model(PreTrainedModel):
    """Base of the stacks alone and of all heads."""

    config_class: ClassVar[type[PreTrainedConfig]] = PreTrainedConfig
    supports_gradient_checkpointing: ClassVar[bool] = True
    _tied_weights_keys: ClassVar[dict[str, str]] = {}
    """Names of tensors that are others' when `tie_word_embeddings` says so."""

    _no_split_modules: ClassVar[list[str]] = ["EncoderLayer", "DecoderLayer"]
    _keys_to_ignore_on_load_unexpected: ClassVar[list[str]] = ["encoder.version", "decoder.version"]
    _skip_keys_device_placement: ClassVar[str] = "past_key_values"
    _has_warned_of_padding = False

    def post_init(self) -> None:
        super().post_init()
        if getattr(self.config, "gradient_checkpointing", False):  # where it was said before 4.10
            self.gradient_checkpointing_enable()

    @property
    def base_model(self) -> nn.Module:
        """The bare model, which is this one where there is no head."""
        return getattr(self, self.base_model_prefix, self)

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Two short rows, one of them padded: enough for a pass."""
        pad = self.config.pad_token_id
        ids = torch.tensor([[0, 6, 10, 4, 2], [0, 8, 12, 2, 1 if pad is None else pad]], device=self.device)
        inputs = {"attention_mask": torch.ones_like(ids) if pad is None else ids.ne(pad), "input_ids": ids}
        needs_target = not architecture_of(self.config.model_type).target_from_source
        return {**inputs, "decoder_input_ids": ids} if needs_target else inputs

    def get_input_embeddings(self) -> nn.Module:
        """The table of token vectors: that of the bare model, for a class of a caller's own that stands on one."""
        return self._bare().get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Put another table of token vectors in its place, in all places that are tied to it."""
        self._bare().set_input_embeddings(value)

    def _bare(self) -> Model:
        bare = self.base_model
        if bare is self or not isinstance(bare, Model):
            raise NotImplementedError(f"{type(self).__name__} must say itself which table of token vectors it has.")
        return bare

    def get_output_embeddings(self) -> nn.Module | None:
        """The projection to scores of every token; None for models that give none."""
        return None

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Put another projection in its place."""
        raise ConfigError(f"{type(self).__name__} has no projection to tokens that could be replaced.")

    def set_attn_implementation(self, attn_implementation: str | None) -> None:
        """Accept the published names of what is done anyway, see `loading.options.ATTENTION`.

        Raises: OptionError for all others.
        """
        if attn_implementation not in ATTENTION:
            raise OptionError(attention_fault(attn_implementation))

    def warn_if_padding_and_no_attention_mask(self, input_ids: Tensor, attention_mask: Tensor | None) -> None:
        """Say once that ids with pads at an end were given without a mask: the pads would count as text."""
        pad = self.config.pad_token_id
        if attention_mask is not None or pad is None or self._has_warned_of_padding:
            return
        if bool((input_ids[:, [0, -1]] == pad).any()):
            self._has_warned_of_padding = True
            logger.warning("The ids hold pads (id %s), but no `attention_mask` hides them. Pass the tokenizer's.", pad)

    # Pruning

    def prune_heads(self, heads_to_prune: Mapping[int, Iterable[int]]) -> None:
        """Take heads out of the self-attention of encoder layers: {layer: heads}, counted as in the whole model.

        The config remembers them in `pruned_heads`, so that what is saved can be loaded.
        Raises: ConfigError for layers or heads that are not there, and for a model without an encoder.
        """
        encoder = getattr(self.base_model, "encoder", self.base_model)
        layers: Any = getattr(encoder, "layers", ())
        is_missing = any(layer not in range(len(layers)) for layer in heads_to_prune)
        if self.table_head in ("decoder", "causal_lm") or is_missing:
            raise ConfigError(
                f"Heads can be pruned in {len(layers)} encoder layers, but {heads_to_prune} names others."
            )
        for layer, heads in heads_to_prune.items():
            gone = set(heads) | set(self.config.pruned_heads.get(layer, ()))
            layers[layer].self_attn.prune_heads(gone)
            self.config.pruned_heads[layer] = sorted(gone)

    # Running layers again instead of keeping what they made

    def activation_checkpointing_enable(
        self,
        activation_checkpointing_kwargs: dict[str, Any] | None = None,
        every_n_layers: int = 1,
        offload: bool = False,
    ) -> None:
        """In training, keep only what enters every n-th layer and compute the rest again in the backward pass.

        `activation_checkpointing_kwargs` go to `torch.utils.checkpoint.checkpoint`; `use_reentrant` is False.
        """
        if offload:
            raise OptionError("`offload` must be False: what enters a layer stays on its device.")
        if every_n_layers < 1:
            raise OptionError(f"`every_n_layers` must be at least 1, but is {every_n_layers}.")
        function = partial(checkpoint, **{"use_reentrant": False, **(activation_checkpointing_kwargs or {})})
        for stack in self._stacks():
            stack.gradient_checkpointing = True
            stack._gradient_checkpointing_func = function
            stack.checkpointed_layers = every_n_layers

    def activation_checkpointing_disable(self) -> None:
        """Keep everything again."""
        for stack in self._stacks():
            stack.gradient_checkpointing = False

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: dict[str, Any] | None = None) -> None:
        """The older name of `activation_checkpointing_enable`."""
        self.activation_checkpointing_enable(gradient_checkpointing_kwargs)

    def gradient_checkpointing_disable(self) -> None:
        """The older name of `activation_checkpointing_disable`."""
        self.activation_checkpointing_disable()

    @property
    def is_gradient_checkpointing(self) -> bool:
        return any(stack.gradient_checkpointing for stack in self._stacks())

    @property
    def is_activation_checkpointing(self) -> bool:
        return self.is_gradient_checkpointing

    def enable_input_require_grads(self) -> None:
        """Let gradients flow from the token vectors on, also where their table is frozen, as adapters need it."""
        self.disable_input_require_grads()
        tables = {id(stack.embed_tokens): stack.embed_tokens for stack in self._stacks()}
        hooks = [table.register_forward_hook(_require_grad) for table in tables.values()]
        self._require_grads_hooks = hooks

    def disable_input_require_grads(self) -> None:
        """Undo it."""
        for hook in getattr(self, "_require_grads_hooks", ()):
            hook.remove()
        self._require_grads_hooks = []

    def _stacks(self) -> list[Any]:
        return [module for module in self.modules() if hasattr(module, "gradient_checkpointing")]


def _require_grad(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    output.requires_grad_(True)


def refuse_unknown(function: Any, arguments: Mapping[str, Any]) -> None:
    """Raises: ArgumentError that names what the caller may have meant."""
    if not arguments:
        return
    known = [name for name in inspect.signature(function).parameters if name != "kwargs"]
    faults = []
    for name in arguments:
        near = difflib.get_close_matches(name, known, n=1)
        faults.append(f"`{name}` is no argument of this model." + (f" Did you mean `{near[0]}`?" if near else ""))
    raise_all(ArgumentError, faults, "forward")
