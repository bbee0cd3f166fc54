"""Training the Keras way, on a model's own loss where `compile` is given none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from bartleby.backends.keras.inputs import argument_names, named_inputs
from bartleby.backends.keras.losses import mean_loss
from bartleby.backends.keras.outputs import ModelOutput
from bartleby.backends.keras.portable import require_tensorflow
from bartleby.errors import DataError, OptionError

Tensor = Any

OWN_LOSS = (None, "auto", "auto_with_warning", "passthrough")
"""What `compile` is told when the model's own loss is meant."""

OUTPUT_OF_LABEL = {"labels": "logits", "start_positions": "start_logits", "end_positions": "end_logits"}
"""Arguments that teach -> the output they judge."""


class Teaching(keras.Model):
    """A model that Keras can fit to batches that hold its labels, among the inputs or beside them."""

    _has_own_loss = True

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = "auto_with_warning",
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool | None = None,
        steps_per_execution: int | None = None,
        **kwargs: Any,
    ) -> None:
        """As in Keras. Without a loss, or with "auto", the model trains on its own.

        Unlike Keras, XLA is used only with `jit_compile=True`: it compiles anew for every length of a batch.
        """
        require_tensorflow("`compile`")
        self._has_own_loss = isinstance(loss, str | None) and loss in OWN_LOSS
        if self._has_own_loss and loss_weights is not None:
            raise OptionError("`loss_weights` must be None where a model trains on its own loss, which is one.")
        super().compile(
            optimizer=optimizer,
            loss=None if self._has_own_loss else loss,
            metrics=[metrics] if isinstance(metrics, str) else metrics,  # Keras 2 took a name alone
            loss_weights=loss_weights,
            weighted_metrics=weighted_metrics,
            run_eagerly=bool(run_eagerly),
            steps_per_execution=steps_per_execution or 1,
            **{"jit_compile": False, **kwargs},
        )

    def compile_from_config(self, config: Any) -> None:
        """As it was compiled when Keras saved it, with its optimizer ready to go on."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def get_label_to_output_name_mapping(self) -> dict[str, str]:
        """The arguments that teach this model -> the outputs they judge."""
        known = argument_names(type(self))
        return {label: output for label, output in OUTPUT_OF_LABEL.items() if label in known}

    def make_predict_function(self, force: bool = False) -> Any:
        require_tensorflow("`predict`")
        return super().make_predict_function(force)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Raises: OptionError if the optimizer knows other variables, those of before a resizing."""
        try:
            return super().train_step(self._with_labels(data))
        except ValueError as error:
            if "Unknown variable" not in str(error):  # how Keras says it
                raise
            raise OptionError(
                "The optimizer must know the model's variables, but was made for those of before "
                "`resize_token_embeddings` or of a layer replaced. Call `compile` again, with a new optimizer."
            ) from error

    def test_step(self, data: Any) -> dict[str, Any]:
        return super().test_step(self._with_labels(data))

    def predict_step(self, data: Any) -> Any:
        """Without a past unless the inputs ask for one: batches of pasts cannot be laid end to end."""
        inputs = self._named(keras.utils.unpack_x_y_sample_weight(data)[0])
        return super().predict_step(({"use_cache": False, **inputs},))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """The model's own loss or, of the outputs that the labels judge, that of `compile`.

        Raises: DataError if a batch has no labels, OptionError for weights of rows where every token has its own loss.
        """
        if not self._has_own_loss:
            targets, scores = self._judged(x, y, y_pred)
            return super().compute_loss(x, targets, scores, sample_weight, training)
        losses = y_pred.get("loss") if isinstance(y_pred, Mapping) else y_pred[0]
        if losses is None:
            names = " and ".join(f"`{name}`" for name in self.get_label_to_output_name_mapping())
            raise DataError(f"A batch has nothing to learn from: put {names} among its inputs or beside them.")
        if sample_weight is not None:
            weights = tf.cast(sample_weight, losses.dtype)
            if losses.shape.rank is None or not weights.shape.is_compatible_with(losses.shape) or self._counts_tokens:
                raise OptionError(
                    "`sample_weight` and `class_weight` must be None here. Labels that shall not count are -100."
                )
            losses *= weights
        return tf.add_n([mean_loss(losses), *(tf.reduce_sum(each) for each in self.losses)])

    @property
    def _counts_tokens(self) -> bool:
        """Whether the loss is of tokens, not of rows."""
        return getattr(self, "table_head", None) in ("conditional_generation", "causal_lm")

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Metrics of `compile`, of the outputs that the labels judge."""
        targets, scores = self._judged(x, y, y_pred)
        return super().compute_metrics(x, targets, scores, sample_weight)

    def _named(self, x: Any) -> dict[str, Any]:
        return named_inputs(argument_names(type(self)), (x,), {})

    def _with_labels(self, data: Any) -> tuple[Any, Any, Any]:
        """A batch whose inputs hold the labels too, where the model's own loss needs them."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs = self._named(x)
        if self._has_own_loss:
            inputs = {**self._labels(y), **inputs}
        return inputs, y, sample_weight

    def _labels(self, y: Any) -> dict[str, Any]:
        """Labels that stand beside the inputs, by the names of the arguments that they are."""
        outputs = self.get_label_to_output_name_mapping()
        if isinstance(y, Mapping):
            arguments: dict[Any, str] = {output: label for label, output in outputs.items()}
            return {str(arguments.get(name, name)): value for name, value in y.items()}
        beside = y if isinstance(y, tuple | list) else [] if y is None else [y]
        return dict(zip(outputs, beside, strict=False))

    def _judged(self, x: Any, y: Any, y_pred: Any) -> tuple[Any, Any]:
        """The labels and what they judge: two tensors, or two dicts by the names of outputs if there are several.

        Raises: DataError if there are none.
        """
        outputs = self.get_label_to_output_name_mapping()
        inputs = self._named(x)
        labels = self._labels(y) or {name: inputs[name] for name in outputs if inputs.get(name) is not None}
        if not labels:
            raise DataError("A batch has no labels: put them among its inputs or beside them.")
        fields = (
            y_pred if isinstance(y_pred, ModelOutput) else dict(zip(("loss", *outputs.values()), y_pred, strict=False))
        )
        judged = {outputs.get(name, name): label for name, label in labels.items()}
        scores = {name: fields[name] for name in judged}
        return (judged, scores) if len(judged) > 1 else (*judged.values(), *scores.values())
