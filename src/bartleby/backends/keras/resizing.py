"""Tables with more rows or fewer, for tokens that were added to the vocabulary.

Every row that stays keeps its numbers to the bit; new ones are the mean of the old, which changes the other tokens'
probabilities least (Hewitt 2021, "Initializing new word embeddings for pretrained language models").
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bartleby.backends.keras.layers import renew_variable
from bartleby.errors import ConfigError, OptionError, raise_all
from bartleby.family.config import PreTrainedConfig

Tensor = Any


class Resizing(keras.Model):
    """A model whose vocabulary may grow."""

    config: PreTrainedConfig

    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> keras.layers.Layer:
        """Give every table of tokens `new_num_tokens` rows; returns the input table. Without a number nothing changes.

        `final_logits_bias` grows by zeros, and `vocab_size` follows. An optimizer knows the old tables: compile again.
        Raises: OptionError if the number is none, ConfigError if a token that the config names would lose its row.
        """
        table = self.get_input_embeddings()
        if new_num_tokens is None or new_num_tokens == self.config.vocab_size:
            return table
        _check_rows(self.config, new_num_tokens)
        for layer in self._token_tables():
            _resize(layer, new_num_tokens)
        if hasattr(self, "final_logits_bias"):
            bias = tf.convert_to_tensor(self.final_logits_bias)[:, :new_num_tokens]
            renew_variable(self, "final_logits_bias", tf.pad(bias, [[0, 0], [0, new_num_tokens - bias.shape[1]]]))
        for part in self._flatten_layers():
            if isinstance(getattr(part, "config", None), PreTrainedConfig):
                part.config.vocab_size = new_num_tokens
        self.train_function = self.test_function = self.predict_function = None  # they know the old variables
        return table

    def get_input_embeddings(self) -> keras.layers.Layer:
        """The table of token vectors."""
        raise NotImplementedError

    def _token_tables(self) -> list[keras.layers.Layer]:
        """Layers with a vector or a column for each token, each once."""
        names = ("shared", "embed_tokens", "lm_head")
        held = [getattr(part, name, None) for part in self._flatten_layers() for name in names]
        return list({id(layer): layer for layer in held if layer is not None}.values())


def _check_rows(config: PreTrainedConfig, rows: int) -> None:
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise OptionError(f"`new_num_tokens` must be a whole number of at least 1, but is {rows!r}.")
    changed = type(config).from_dict(config.to_dict())
    before = set(changed.faults())
    changed.vocab_size = rows
    faults = [fault for fault in changed.faults() if fault not in before]
    raise_all(ConfigError, faults, f"A vocabulary of {rows} tokens")


def _resize(layer: keras.layers.Layer, rows: int) -> None:
    """Another number of tokens: rows of a table (v, d), columns of a kernel (d, v)."""
    if isinstance(layer, keras.layers.Dense):
        renew_variable(layer, "_kernel", tf.transpose(_resized(tf.transpose(layer.kernel), rows)))
        layer.units = rows
    else:
        renew_variable(layer, "_embeddings", _resized(tf.convert_to_tensor(layer.embeddings), rows))
        layer.input_dim = rows


def _resized(table: Tensor, rows: int) -> Tensor:
    """(v, d) -> (rows, d): cut off, or with the mean below."""
    more = max(0, rows - table.shape[0])
    mean = tf.cast(tf.reduce_mean(tf.cast(table, tf.float32), axis=0, keepdims=True), table.dtype)
    return tf.concat([table[:rows], tf.repeat(mean, more, axis=0)], axis=0)
