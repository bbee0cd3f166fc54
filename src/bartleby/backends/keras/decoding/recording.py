"""Following a search step by step, for callers who want to see more than its outcome."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from bartleby.backends.keras.decoding.task import Memory, ModelReader, as_cache, as_memory
from bartleby.backends.keras.outputs import ModelOutput
from bartleby.generation.compiled.arrays import Length
from bartleby.generation.compiled.search import Search
from bartleby.generation.compiled.task import Written
from bartleby.generation.config import GenerationConfig

Tensor = Any
EXTRAS = ("output_scores", "output_attentions", "output_hidden_states")


def wants_more(options: GenerationConfig) -> bool:
    """Whether something of the steps is to be returned, or of the encoder."""
    return options.return_dict_in_generate and any(getattr(options, name) for name in EXTRAS)


class RecordingReader(ModelReader):
    """A reader that keeps what the steps of the decoder show."""

    def __init__(self, model: Any, prepared: Any, room: int, options: GenerationConfig) -> None:
        super().__init__(model, prepared, room)
        self.options = options
        self.rows = max(options.num_beams, options.num_return_sequences)
        self.scores: list[Tensor] = []
        self.decoded: list[ModelOutput] = []

    def run(self, search: Search) -> Written:
        """The whole search, operation by operation."""
        logits, memory = self.read(search.task.prompts, 0, self.memory())
        going, scores = search.chosen(search.kind.start(), logits, memory)
        self.scores.append(scores)
        while search.goes_on(going):
            logits, memory = self.read(*search.unread(going), going.memory)
            going, scores = search.chosen(going.state, logits, memory)
            self.scores.append(scores)
        return search.result(going)

    def read(self, ids: Tensor, start: Length, memory: Memory) -> tuple[Tensor, Memory]:
        """As `Reader.read`."""
        source_mask, mask = self.masks(ids, memory)

        def shown() -> tuple[Any, Tensor]:
            output = self.model.get_decoder().call(
                ids,
                attention_mask=mask,
                encoder_attention_mask=source_mask,
                output_attentions=self.options.output_attentions,
                output_hidden_states=self.options.output_hidden_states,
                return_dict=True,
                cache=as_cache(memory),
                start=start,
            )
            return output, self.model.lm_logits(output.last_hidden_state[:, -1:])[:, 0]

        output, logits = self.as_called(part=shown)
        self.decoded.append(output)
        return tf.cast(logits, tf.float32), as_memory(output.past_key_values)

    def fields(self) -> dict[str, Any]:
        """What was asked for, by its published name."""
        fields: dict[str, Any] = {}
        if self.options.output_scores:
            fields["scores"] = self._steps(self.scores)
        prefix = "decoder_" if self.model.config.is_encoder_decoder else ""
        if self.options.output_attentions:
            first = self.prepared.prompts.shape[1]
            fields[f"{prefix}attentions"] = self._layers("attentions", first)
            if prefix:
                fields["cross_attentions"] = self._layers("cross_attentions")
        if self.options.output_hidden_states:
            fields[f"{prefix}hidden_states"] = self._layers("hidden_states")
        return fields

    def _layers(self, name: str, keys: int | None = None) -> tuple[tuple[Tensor, ...], ...]:
        """Of every step those of all layers; of the keys there is room for, the first step has `keys`."""
        layers = zip(*(getattr(step, name) for step in self.decoded), strict=True)
        steps = zip(*(self._steps(list(each), keys) for each in layers), strict=True)
        return tuple(tuple(step) for step in steps)

    def _steps(self, values: list[Tensor], keys: int | None = None) -> tuple[Tensor, ...]:
        """The values of all steps, those of the first for each row: there every source had but one."""
        whole = [tf.repeat(values[0], self.rows, axis=0), *values[1:]]
        return tuple(whole if keys is None else (value[..., : keys + step] for step, value in enumerate(whole)))
