"""What `generate` returns where `return_dict_in_generate` asks for more than ids, under the published names.

Of T steps, each field but the first two holds one entry a step. r is the number of rows: b·num_beams with beams, else
b·num_return_sequences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bartleby.backends.pytorch.outputs import ModelOutput, States

StepStates = tuple[States, ...]
"""One entry a step, each with one a layer."""


@dataclass
class GenerateDecoderOnlyOutput(ModelOutput):
    """Of a decoder alone, without beams. Shapes: sequences (r, t); scores and logits (r, v) a step; attentions
    (r, h, q, k) and hidden states (r, q, d) a layer, where q is 1 but in the first step.
    """

    sequences: Tensor | None = None
    scores: States | None = None
    logits: States | None = None
    attentions: StepStates | None = None
    hidden_states: StepStates | None = None
    past_key_values: Any = None
    trace: Any = None


@dataclass
class GenerateEncoderDecoderOutput(ModelOutput):
    """Of encoder and decoder, without beams. Shapes: as above; those of the encoder as in forward."""

    sequences: Tensor | None = None
    scores: States | None = None
    logits: States | None = None
    encoder_attentions: States | None = None
    encoder_hidden_states: States | None = None
    decoder_attentions: StepStates | None = None
    cross_attentions: StepStates | None = None
    decoder_hidden_states: StepStates | None = None
    past_key_values: Any = None
    trace: Any = None


@dataclass
class GenerateBeamDecoderOnlyOutput(ModelOutput):
    """Of a decoder alone, with beams. Shapes: sequences_scores (o,), log-probabilities by length ** length_penalty;
    beam_indices (o, written tokens), the row each token was chosen for, -1 behind the end.
    """

    sequences: Tensor | None = None
    sequences_scores: Tensor | None = None
    scores: States | None = None
    logits: States | None = None
    beam_indices: Tensor | None = None
    attentions: StepStates | None = None
    hidden_states: StepStates | None = None
    past_key_values: Any = None
    trace: Any = None


@dataclass
class GenerateBeamEncoderDecoderOutput(ModelOutput):
    """Of encoder and decoder, with beams. Shapes: as the two above."""

    sequences: Tensor | None = None
    sequences_scores: Tensor | None = None
    scores: States | None = None
    logits: States | None = None
    beam_indices: Tensor | None = None
    encoder_attentions: States | None = None
    encoder_hidden_states: States | None = None
    decoder_attentions: StepStates | None = None
    cross_attentions: StepStates | None = None
    decoder_hidden_states: StepStates | None = None
    past_key_values: Any = None
    trace: Any = None


# The names of releases before 4.36, one for each strategy.
GreedySearchDecoderOnlyOutput = SampleDecoderOnlyOutput = ContrastiveSearchDecoderOnlyOutput = GenerateDecoderOnlyOutput
GreedySearchEncoderDecoderOutput = SampleEncoderDecoderOutput = GenerateEncoderDecoderOutput
ContrastiveSearchEncoderDecoderOutput = GenerateEncoderDecoderOutput
BeamSearchDecoderOnlyOutput = BeamSampleDecoderOnlyOutput = GenerateBeamDecoderOnlyOutput
BeamSearchEncoderDecoderOutput = BeamSampleEncoderDecoderOutput = GenerateBeamEncoderDecoderOutput

GenerateNonBeamOutput = GenerateDecoderOnlyOutput | GenerateEncoderDecoderOutput
GenerateBeamOutput = GenerateBeamDecoderOnlyOutput | GenerateBeamEncoderDecoderOutput
GenerateOutput = GenerateNonBeamOutput | GenerateBeamOutput
