"""What `generate` returns where `return_dict_in_generate` asks for more than ids, under the published names.

Of T steps, scores, attentions and hidden states hold one entry a step. r is the number of rows: b · num_beams with
beams, else b · num_return_sequences; o that of the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bartleby.backends.keras.outputs import ModelOutput, States

Tensor = Any
StepStates = tuple[States, ...]
"""One entry a step, each with one a layer."""


@dataclass
class TFGreedySearchDecoderOnlyOutput(ModelOutput):
    """Of a decoder alone. Shapes: sequences (r, t); scores (r, v) a step; attentions (r, h, q, k) and hidden states
    (r, q, d) a layer, where q is 1 but in the first step.
    """

    sequences: Tensor | None = None
    scores: States | None = None
    attentions: StepStates | None = None
    hidden_states: StepStates | None = None


@dataclass
class TFGreedySearchEncoderDecoderOutput(ModelOutput):
    """Of encoder and decoder. Shapes: as above; those of the encoder as in `call`."""

    sequences: Tensor | None = None
    scores: States | None = None
    encoder_attentions: States | None = None
    encoder_hidden_states: States | None = None
    decoder_attentions: StepStates | None = None
    cross_attentions: StepStates | None = None
    decoder_hidden_states: StepStates | None = None


@dataclass
class TFSampleDecoderOnlyOutput(TFGreedySearchDecoderOnlyOutput):
    """Of sampling, from a decoder alone."""


@dataclass
class TFSampleEncoderDecoderOutput(TFGreedySearchEncoderDecoderOutput):
    """Of sampling."""


@dataclass
class TFBeamSearchDecoderOnlyOutput(ModelOutput):
    """Of a decoder alone, with beams. Shapes: sequences_scores (o), log-probabilities by length ** length_penalty;
    beam_indices (o, written tokens), the row each token was chosen for, -1 behind the end.
    """

    sequences: Tensor | None = None
    sequences_scores: Tensor | None = None
    scores: States | None = None
    beam_indices: Tensor | None = None
    attentions: StepStates | None = None
    hidden_states: StepStates | None = None


@dataclass
class TFBeamSearchEncoderDecoderOutput(ModelOutput):
    """Of encoder and decoder, with beams. Shapes: as those above."""

    sequences: Tensor | None = None
    sequences_scores: Tensor | None = None
    scores: States | None = None
    beam_indices: Tensor | None = None
    encoder_attentions: States | None = None
    encoder_hidden_states: States | None = None
    decoder_attentions: StepStates | None = None
    cross_attentions: StepStates | None = None
    decoder_hidden_states: StepStates | None = None


@dataclass
class TFBeamSampleDecoderOnlyOutput(TFBeamSearchDecoderOnlyOutput):
    """Of sampled beams, from a decoder alone."""


@dataclass
class TFBeamSampleEncoderDecoderOutput(TFBeamSearchEncoderDecoderOutput):
    """Of sampled beams."""


# By whether there are an encoder, beams and sampling.
CLASSES: dict[tuple[bool, bool, bool], type[ModelOutput]] = {
    (False, False, False): TFGreedySearchDecoderOnlyOutput,
    (False, False, True): TFSampleDecoderOnlyOutput,
    (False, True, False): TFBeamSearchDecoderOnlyOutput,
    (False, True, True): TFBeamSampleDecoderOnlyOutput,
    (True, False, False): TFGreedySearchEncoderDecoderOutput,
    (True, False, True): TFSampleEncoderDecoderOutput,
    (True, True, False): TFBeamSearchEncoderDecoderOutput,
    (True, True, True): TFBeamSampleEncoderDecoderOutput,
}
