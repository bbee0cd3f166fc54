"""Following a search step by step, for callers who want to see more than its outcome."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bartleby.backends.pytorch.decoding import generation_outputs as outputs
from bartleby.backends.pytorch.decoding.company import Streamer
from bartleby.backends.pytorch.decoding.inputs import Prepared
from bartleby.backends.pytorch.decoding.task import Written
from bartleby.backends.pytorch.outputs import BaseModelOutputWithPastAndCrossAttentions
from bartleby.generation.config import GenerationConfig


class Recorder:
    """Keeps of every step what the options ask for, and hands tokens to a streamer as they come."""

    def __init__(self, options: GenerationConfig, streamer: Streamer | None = None) -> None:
        returns_all = options.return_dict_in_generate
        self.options, self.streamer = options, streamer
        self.wants_attentions = returns_all and options.output_attentions
        self.wants_hidden_states = returns_all and options.output_hidden_states
        self.scores: list[Tensor] | None = [] if returns_all and options.output_scores else None
        self.logits: list[Tensor] | None = [] if returns_all and options.output_logits else None
        self.decoded: list[BaseModelOutputWithPastAndCrossAttentions] = []

    def saw(self, logits: Tensor, decoded: BaseModelOutputWithPastAndCrossAttentions | None) -> None:
        """What a step of the model gave; more than logits where they are wanted."""
        if self.logits is not None:
            self.logits.append(logits)
        if decoded is not None and (self.wants_attentions or self.wants_hidden_states):
            self.decoded.append(decoded)

    def scored(self, scores: Tensor) -> None:
        """As `search.Listener.scored`."""
        if self.scores is not None:
            self.scores.append(scores)

    def wrote(self, tokens: Tensor) -> None:
        """As `search.Listener.wrote`."""
        if self.streamer is not None:
            self.streamer.put(tokens.cpu())

    def output(self, sequences: Tensor, written: Written, prepared: Prepared, cache: Any) -> outputs.GenerateOutput:
        """Everything, as the published classes hold it."""
        is_pair = prepared.encoded is not None
        fields: dict[str, Any] = {
            "sequences": sequences,
            "scores": None if self.scores is None else tuple(self.scores),
            "logits": None if self.logits is None else tuple(self.logits),
            "past_key_values": cache,
        }
        prefix = "decoder_" if is_pair else ""
        if self.wants_attentions:
            fields[f"{prefix}attentions"] = tuple(step.attentions for step in self.decoded)
        if self.wants_hidden_states:
            fields[f"{prefix}hidden_states"] = tuple(step.hidden_states for step in self.decoded)
        if prepared.encoded is not None:
            fields["encoder_attentions"] = prepared.encoded.attentions if self.wants_attentions else None
            fields["encoder_hidden_states"] = prepared.encoded.hidden_states if self.wants_hidden_states else None
            fields["cross_attentions"] = (
                tuple(step.cross_attentions for step in self.decoded) if self.wants_attentions else None
            )
        if self.options.num_beams == 1:
            return (outputs.GenerateEncoderDecoderOutput if is_pair else outputs.GenerateDecoderOnlyOutput)(**fields)
        first, longest = prepared.prompts.shape[1], int(written.lengths.max())
        fields["beam_indices"] = written.trail.flatten(0, 1)[:, first : first + longest]
        fields["sequences_scores"] = written.scores.flatten() if self.options.output_scores else None
        beams = outputs.GenerateBeamEncoderDecoderOutput if is_pair else outputs.GenerateBeamDecoderOnlyOutput
        return beams(**fields)
