"""The searches of 4.x under their own names, for scripts that bring processors, criteria and scorers of their own.

A door turns its arguments into options and company, and goes where `generate` goes. Other than there, the model's
generation config adds no rule: it only says which tokens pad and end, and what to return, where the caller does not.
Scorers, processors and criteria are taken for what they can do, and may come from another library.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.company import Company
from bartleby.backends.pytorch.decoding.generation_outputs import GenerateOutput
from bartleby.backends.pytorch.decoding.inputs import OF_DECODER, OF_ENCODER_DECODER, Inputs, prepare
from bartleby.backends.pytorch.generation import GenerationMixin, check_company
from bartleby.errors import OptionError, ShapeError, raise_all
from bartleby.generation.config import GenerationConfig

MAXIMA = ("MaxLengthCriteria", "MaxNewTokensCriteria")
FROM_CONFIG = ("pad_token_id", "eos_token_id")
RETURNED = ("output_attentions", "output_hidden_states", "output_scores", "return_dict_in_generate")
OF_A_SCORER = {
    "num_beams": "num_beams",
    "num_beam_groups": "num_beam_groups",
    "length_penalty": "length_penalty",
    "early_stopping": "do_early_stopping",
    "num_return_sequences": "num_beam_hyps_to_keep",
    "constraints": "constraints",
}
"""Which option each setting of a beam scorer stands for."""


@dataclass(frozen=True)
class Call:
    """What all doors take; `search` holds the options that make one search differ from the others."""

    input_ids: Tensor
    search: dict[str, Any]
    named: dict[str, Any]
    """The other arguments, by their names."""
    model_kwargs: dict[str, Any]

    @property
    def beams(self) -> int:
        """The rows of a source."""
        return int(self.search.get("num_beams", 1))


class EntryPoints(GenerationMixin):
    """A model that can write, with a door for each search."""

    def greedy_search(
        self,
        input_ids: Tensor,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
        max_length: int | None = None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_scores: bool | None = None,
        return_dict_in_generate: bool | None = None,
        synced_gpus: bool = False,
        streamer: Any = None,
        **model_kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Each row takes its best token. Shapes: input_ids (b, t), of the decoder -> (b, longest)."""
        return self._enter(_call(locals(), {}))

    def sample(
        self,
        input_ids: Tensor,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
        logits_warper: Any = None,
        max_length: int | None = None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_scores: bool | None = None,
        return_dict_in_generate: bool | None = None,
        synced_gpus: bool = False,
        streamer: Any = None,
        **model_kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Each row draws its token. Shapes: input_ids (b, t), of the decoder -> (b, longest)."""
        return self._enter(_call(locals(), {"do_sample": True}))

    def contrastive_search(
        self,
        input_ids: Tensor,
        top_k: int | None = 1,
        penalty_alpha: float | None = 0,
        logits_processor: Any = None,
        logits_warper: Any = None,
        stopping_criteria: Any = None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_scores: bool | None = None,
        return_dict_in_generate: bool | None = None,
        synced_gpus: bool = False,
        streamer: Any = None,
        sequential: bool | None = None,
        **model_kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Each row takes one of its `top_k` best tokens that is unlike what it wrote. Shapes: as greedy_search."""
        search = {"top_k": top_k or 1, "penalty_alpha": penalty_alpha or None, "low_memory": sequential}
        return self._enter(_call(locals(), search))

    def assisted_decoding(
        self,
        input_ids: Tensor,
        assistant_model: Any = None,
        candidate_generator: Any = None,
        do_sample: bool = False,
        logits_processor: Any = None,
        logits_warper: Any = None,
        stopping_criteria: Any = None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_scores: bool | None = None,
        return_dict_in_generate: bool | None = None,
        synced_gpus: bool = False,
        streamer: Any = None,
        **model_kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Greedy search or sampling that checks several tokens at once. Shapes: as greedy_search."""
        search = {"do_sample": do_sample, **_drafts_of(candidate_generator)}
        assistant = getattr(candidate_generator, "assistant_model", assistant_model)
        return self._enter(_call({**locals(), "assistant_model": assistant}, search))

    def beam_search(
        self,
        input_ids: Tensor,
        beam_scorer: Any,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
        max_length: int | None = None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_scores: bool | None = None,
        return_dict_in_generate: bool | None = None,
        synced_gpus: bool = False,
        **model_kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Every source has a row for each beam, all alike. Shapes: input_ids (b · n, t) -> (b · kept, longest)."""
        return self._enter(_call(locals(), _settings(beam_scorer)))

    def beam_sample(
        self,
        input_ids: Tensor,
        beam_scorer: Any,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
        logits_warper: Any = None,
        max_length: int | None = None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_scores: bool | None = None,
        return_dict_in_generate: bool | None = None,
        synced_gpus: bool = False,
        **model_kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Beam search that draws the ways to go on. Shapes: as beam_search."""
        return self._enter(_call(locals(), _settings(beam_scorer) | {"do_sample": True}))

    def group_beam_search(
        self,
        input_ids: Tensor,
        beam_scorer: Any,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
        max_length: int | None = None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_scores: bool | None = None,
        return_dict_in_generate: bool | None = None,
        synced_gpus: bool = False,
        **model_kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Groups of beams; a HammingDiversityLogitsProcessor sets them apart. Shapes: as beam_search."""
        return self._enter(_call(locals(), _settings(beam_scorer)))

    def constrained_beam_search(
        self,
        input_ids: Tensor,
        constrained_beam_scorer: Any,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
        max_length: int | None = None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_scores: bool | None = None,
        return_dict_in_generate: bool | None = None,
        synced_gpus: bool | None = None,
        **model_kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Outputs contain what the scorer's constraints ask for. Shapes: as beam_search."""
        return self._enter(_call(locals(), _settings(constrained_beam_scorer)))

    # The names of 4.38 to 4.40
    _greedy_search = greedy_search
    _sample = sample
    _contrastive_search = contrastive_search
    _assisted_decoding = assisted_decoding
    _beam_search = beam_search
    _beam_sample = beam_sample
    _group_beam_search = group_beam_search
    _constrained_beam_search = constrained_beam_search

    @torch.no_grad()
    def _enter(self, call: Call) -> Tensor | GenerateOutput:
        """Raises: OptionError or ShapeError if the arguments do not go together."""
        options, company = self._options(call), _company(call.named)
        check_company(company, options)
        given = self._given(call)
        output = self.decode_prepared(prepare(self, given, options), options, company)
        if isinstance(output, Tensor) or given.encoder_outputs is None:
            return output
        wanted = {"encoder_attentions": "attentions", "encoder_hidden_states": "hidden_states"}
        for name, field in wanted.items():  # as they were given, one row a source or several
            if getattr(output, name, None) is not None:
                setattr(output, name, getattr(call.model_kwargs["encoder_outputs"], field, None))
        return output

    def _options(self, call: Call) -> GenerationConfig:
        options, named = GenerationConfig(), call.named
        for name, value in call.search.items():
            setattr(options, name, value)
        for name in (*FROM_CONFIG, *RETURNED):
            value = named.get(name)
            setattr(options, name, getattr(self.generation_config, name) if value is None else value)
        options.max_length = _most(named) or self.config.max_position_embeddings + 1
        options.use_cache = bool(call.model_kwargs.get("use_cache", True))
        mask = call.model_kwargs.get("decoder_attention_mask")
        first = 0 if mask is None else int(mask[0].argmax())
        options.decoder_start_token_id = int(call.input_ids[0, first])  # the prompts are whole as they are given
        return options

    def _given(self, call: Call) -> Inputs:
        """The inputs with one row a source."""
        is_pair = self.config.is_encoder_decoder
        names = (*(OF_ENCODER_DECODER if is_pair else OF_DECODER), "use_cache")
        faults = [f"`{name}` is not an input of this model." for name in call.model_kwargs if name not in names]
        raise_all(OptionError, faults, "model_kwargs")
        rows, beams = len(call.input_ids), call.beams
        if rows % beams:
            raise ShapeError(f"`input_ids` must have {beams} rows for each source, one a beam, but has {rows} in all.")
        ids = call.input_ids[::beams]
        if bool((ids.repeat_interleave(beams, dim=0) != call.input_ids).any()):
            raise ShapeError("`input_ids` must have equal rows for the beams of one source, but they differ.")
        given = {
            name: _thinned(value, rows, beams) if name not in ("use_cache", "past_key_values") else value
            for name, value in call.model_kwargs.items()
        }
        given.pop("use_cache", None)
        return Inputs(**given, **{"decoder_input_ids" if is_pair else "input_ids": ids})


class AfterPrompt:
    """A streamer that gets only what is written: a door, unlike `generate`, sends it no prompt."""

    def __init__(self, streamer: Any) -> None:
        self.streamer, self.is_prompt = streamer, True

    def put(self, value: Tensor) -> None:
        if not self.is_prompt:
            self.streamer.put(value)
        self.is_prompt = False

    def end(self) -> None:
        self.streamer.end()


def _call(arguments: Mapping[str, Any], search: dict[str, Any]) -> Call:
    """The arguments of a door, by its local names."""
    named = {name: value for name, value in arguments.items() if name not in ("self", "input_ids", "model_kwargs")}
    return Call(arguments["input_ids"], search, named, arguments["model_kwargs"])


def _settings(scorer: Any) -> dict[str, Any]:
    """The options that a scorer stands for."""
    found = {option: getattr(scorer, name, None) for option, name in OF_A_SCORER.items()}
    if not isinstance(found["num_beams"], int):
        raise OptionError(f"`beam_scorer` must be a scorer of beams with `num_beams`, but is {scorer!r}.")
    return {option: value for option, value in found.items() if value is not None}


def _drafts_of(generator: Any) -> dict[str, Any]:
    """The options that one of the published candidate generators stands for."""
    if generator is None or hasattr(generator, "assistant_model"):
        return {}
    if not hasattr(generator, "num_output_tokens"):
        raise OptionError(
            "`candidate_generator` must be an AssistedCandidateGenerator or PromptLookupCandidateGenerator, "
            f"but is {generator!r}. Pass `assistant_model`."
        )
    return {
        "prompt_lookup_num_tokens": generator.num_output_tokens,
        "max_matching_ngram_size": getattr(generator, "max_matching_ngram_size", None),
    }


def _company(named: Mapping[str, Any]) -> Company:
    if named.get("synced_gpus"):
        raise OptionError("`synced_gpus` must be False: generation runs on one device.")
    streamer = named.get("streamer")
    return Company(
        logits_processor=_listed(named.get("logits_processor")),
        logits_warper=_listed(named.get("logits_warper")),
        stopping_criteria=[each for each in _listed(named.get("stopping_criteria")) if not _is_maximum(each, named)],
        streamer=None if streamer is None else AfterPrompt(streamer),
        assistant_model=named.get("assistant_model"),
        rules=False,
    )


def _listed(objects: Any) -> list[Any]:
    """A list of callables, or one of them alone."""
    if objects is None:
        return []
    return [objects] if callable(objects) and not isinstance(objects, Sequence) else list(objects)


def _most(named: Mapping[str, Any]) -> int | None:
    """The length at which everything ends."""
    lengths = [each.max_length for each in _listed(named.get("stopping_criteria")) if type(each).__name__ in MAXIMA]
    most = named.get("max_length")
    if most is None:
        return min(lengths, default=None)
    if lengths and lengths[0] != most:
        warnings.warn("`max_length` and `stopping_criteria` set different lengths: the shorter decides.", stacklevel=4)
    return min([most, *lengths])


def _is_maximum(criterion: Any, named: Mapping[str, Any]) -> bool:
    """Whether a criterion only says what `max_length` says."""
    return type(criterion).__name__ in MAXIMA and criterion.max_length >= (_most(named) or 0)


def _thinned(value: Any, rows: int, beams: int) -> Any:
    """One row a source of what has one a beam, in tensors and in outputs and tuples of them."""
    if isinstance(value, Tensor):
        return value[::beams] if len(value) == rows else value
    if isinstance(value, tuple):
        return tuple(_thinned(each, rows, beams) for each in value)
    if isinstance(value, Mapping) or hasattr(value, "keys"):
        return {name: _thinned(value[name], rows, beams) for name in value.keys()}  # noqa: SIM118  outputs have no items
    return value
