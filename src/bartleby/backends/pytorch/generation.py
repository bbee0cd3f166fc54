"""`generate`: from what a caller gives to ids, by way of search.py, which does the deciding.

It must equal the plain code in generation/search.py token by token, and is earned by benchmarks/decoding.py. What makes
it fast: a prompt is read once per source; self-attention writes into memory taken once; a source's keys and values are
computed once and shared by its beams; finished sources leave the batch, or, where asking which they are would make a
device wait, all rows stay and nothing is asked; nothing is decided row by row.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.assistants import check_assistant, openers
from bartleby.backends.pytorch.decoding.assisted import assisted_search
from bartleby.backends.pytorch.decoding.called import CalledWriter, has_a_say, own_arguments, refuse_uncalled
from bartleby.backends.pytorch.decoding.company import AllowedTokens, Company, Criterion, Processor, Streamer
from bartleby.backends.pytorch.decoding.contrastive import contrastive_search
from bartleby.backends.pytorch.decoding.fixed import FixedWriter, compile_settings
from bartleby.backends.pytorch.decoding.generation_outputs import GenerateOutput
from bartleby.backends.pytorch.decoding.inputs import (
    OF_DECODER,
    OF_ENCODER_DECODER,
    Inputs,
    Prepared,
    by_prompt_length,
    needs_sources,
    prepare,
    unpadded,
    within_embeds,
)
from bartleby.backends.pytorch.decoding.lookahead import ModelReader
from bartleby.backends.pytorch.decoding.noise import Noise, SharedNoise
from bartleby.backends.pytorch.decoding.processors import asked
from bartleby.backends.pytorch.decoding.recording import Recorder
from bartleby.backends.pytorch.decoding.rules import NO_TOKEN, Rule, applied
from bartleby.backends.pytorch.decoding.search import search
from bartleby.backends.pytorch.decoding.stopping import MaxTimeCriteria, StopStringCriteria, ended
from bartleby.backends.pytorch.decoding.task import Task, Written, padding_id
from bartleby.backends.pytorch.decoding.traces import traced, watched
from bartleby.backends.pytorch.modeling import Decoder, Encoder
from bartleby.backends.pytorch.pretrained import PreTrainedModel
from bartleby.errors import OptionError, raise_all
from bartleby.generation.config import GenerationConfig
from bartleby.generation.mode import GenerationMode, mode_of
from bartleby.generation.provenance import provenance
from bartleby.generation.request import DecodingOptions, tell_of_default_length, within_positions
from bartleby.generation.resolution import length_bounds
from bartleby.generation.rules import CUTS, rules_for
from bartleby.generation.streaming import told_of_errors
from bartleby.generation.tracing import Tracer

ASSISTANTS = ("num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold")
LOOKS_AHEAD = (GenerationMode.CONTRASTIVE_SEARCH, GenerationMode.ASSISTED_GENERATION)
PAUSE_ON_ACCELERATORS = 8  # steps between questions: a finished batch computes up to seven steps for nothing


class GenerationMixin(DecodingOptions, PreTrainedModel):
    """A model that can write: one with a distribution over the next token."""

    def get_encoder(self) -> Encoder:
        raise NotImplementedError

    def get_decoder(self) -> Decoder:
        raise NotImplementedError

    def lm_logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token; (…, d) -> (…, v)."""
        raise NotImplementedError

    @torch.no_grad()
    def generate(
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: Sequence[Processor] | None = None,
        stopping_criteria: Sequence[Criterion] | None = None,
        prefix_allowed_tokens_fn: AllowedTokens | None = None,
        synced_gpus: bool | None = None,
        assistant_model: Any = None,
        streamer: Streamer | None = None,
        negative_prompt_ids: Tensor | None = None,
        negative_prompt_attention_mask: Tensor | None = None,
        custom_generate: Callable[..., Any] | str | None = None,
        **kwargs: Any,
    ) -> Tensor | GenerateOutput:
        """Write an answer to each source, as `generation_config` and then the options in `kwargs` say.

        `inputs` is another name of `input_ids`. Without `attention_mask`, pad tokens are taken for padding, unless
        they also end sequences. `tokenizer` is needed for `stop_strings`. With `trace=True` the `trace` of the returned
        object tells how every token came to be.
        Shapes: input_ids (b, s) -> (b · num_return_sequences, t), prompt included, right-padded; all that is asked for
        with `return_dict_in_generate`.
        Raises: OptionError, VocabularyError, LengthError or ShapeError before anything is computed.
        """
        _refuse(
            synced_gpus=(synced_gpus or None, "generation runs on one device"),
            negative_prompt_ids=(negative_prompt_ids, "this family is not trained for guidance"),
            negative_prompt_attention_mask=(negative_prompt_attention_mask, "this family is not trained for guidance"),
            custom_generate=(custom_generate, "loops of other authors are called, not passed"),
        )
        company = Company(
            logits_processor=logits_processor or (),
            stopping_criteria=stopping_criteria or (),
            prefix_allowed_tokens_fn=prefix_allowed_tokens_fn,
            streamer=streamer,
            assistant_model=assistant_model,
            tokenizer=kwargs.pop("tokenizer", None),
        )
        is_traced = kwargs.pop("trace", False)
        with told_of_errors(streamer):
            if inputs is not None and kwargs.get("input_ids") is not None:
                raise OptionError("`inputs` and `input_ids` are two names of one thing. Give only one of them.")
            given = kwargs if inputs is None else kwargs | {"input_ids": inputs}
            return self._answered(given, generation_config, company, is_traced)

    def _answered(
        self, kwargs: Mapping[str, Any], config: GenerationConfig | None, company: Company, is_traced: bool
    ) -> Tensor | GenerateOutput:
        """`generate`, with everything in its place."""
        more = own_arguments(self, set(kwargs) - {*OF_ENCODER_DECODER, *OF_DECODER})
        company = replace(company, given={name: kwargs[name] for name in more})
        given, overrides = self._divided({name: value for name, value in kwargs.items() if name not in more})
        config = None if config is None else GenerationConfig.of(config)
        options = self._resolved("pytorch", config, overrides)
        tell_of_default_length(options, kwargs)
        _tell_of_idle_options(options, overrides, company)
        check_company(company, options)
        check_assistant(self, company.assistant_model, options)
        asked = Inputs(**given)
        if not self.config.is_encoder_decoder:
            options = within_embeds(options, asked)
        if is_traced:
            origins = provenance(options, overrides, self.generation_config, config)
            company = replace(company, tracer=Tracer(options, origins))
        return self.decode_prepared(prepare(self, asked, options), options, company)

    def decode_prepared(
        self, prepared: Prepared, options: GenerationConfig, company: Company
    ) -> Tensor | GenerateOutput:
        """Outputs as the published `generate` returns them."""
        groups = list(by_prompt_length(prepared))
        if len(groups) == 1:
            return self._decode_together(groups[0][1], options, company)
        if options.return_dict_in_generate or company.counts_rows or prepared.past is not None:
            raise OptionError(
                "Decoder prompts of different lengths are written apart, so nobody can follow their steps together. "
                "Pad them on the left, or give them to `generate` one by one."
            )
        parts = [self._decode_together(part, options, company) for _, part in groups]
        return _joined([rows for rows, _ in groups], parts, options)

    def _decode_together(
        self, prepared: Prepared, options: GenerationConfig, company: Company
    ) -> Tensor | GenerateOutput:
        mode = mode_of(options, company.assistant_model is not None)
        positions = self.config.max_position_embeddings
        # The last token written is never read, but in contrastive search.
        most = positions + (mode is not GenerationMode.CONTRASTIVE_SEARCH)
        options = within_positions(options, prepared.prompts.shape[1], most, prepared.unnamed)
        recorder = Recorder(options, company.streamer)
        if company.streamer is not None:
            company.streamer.put(prepared.prompts.repeat_interleave(options.num_return_sequences, dim=0).cpu())
        noise = SharedNoise(len(prepared.prompts)) if options.do_sample else None
        writer = self._writer(prepared, options, recorder, company)
        written = self._searched(writer, self._task(prepared, options, noise, company, recorder), company)
        if company.streamer is not None:
            company.streamer.end()
        sequences = rectangle(written, options, prepared.prompts.shape[1])
        if not options.return_dict_in_generate and company.tracer is None:
            return sequences
        output = recorder.output(sequences, written, prepared, writer.cache_to_show())
        output.trace = None if company.tracer is None else traced(written, prepared.prompts.shape[1], company)
        return output

    def write_prepared(self, prepared: Prepared, options: GenerationConfig, noise: Noise | None) -> Written:
        """The outputs of all sources, as the search leaves them."""
        company = Company()
        check_company(company, options)
        task = self._task(prepared, options, noise, company, None)
        return self._searched(self._writer(prepared, options, None, company), task, company)

    def _writer(
        self, prepared: Prepared, options: GenerationConfig, recorder: Recorder | None, company: Company
    ) -> ModelReader | FixedWriter:
        if has_a_say(self):
            refuse_uncalled(options, mode_of(options, company.assistant_model is not None), prepared)
            return CalledWriter(self, prepared, recorder, company.given)
        if options.cache_implementation == "static" and options.use_cache:
            return FixedWriter(self, prepared, recorder, compile_settings(options, self.device))
        return ModelReader(self, prepared, recorder)

    def _searched(self, writer: ModelReader | FixedWriter, task: Task, company: Company) -> Written:
        mode = mode_of(task.options, company.assistant_model is not None)
        if isinstance(writer, FixedWriter):
            writer.take_memory(task.max_length - 1)
            written = search(task, writer)
            if not task.options.return_dict_in_generate:
                writer.give_memory_back()
            return written
        looks_ahead = mode is GenerationMode.CONTRASTIVE_SEARCH
        if task.options.use_cache:
            writer.take_memory(task.max_length - (not looks_ahead))  # by others, the last token written is never read
        if looks_ahead:
            return contrastive_search(task, writer)
        if mode is GenerationMode.ASSISTED_GENERATION:
            rules = self._rules(writer.prepared, task.options, Company(rules=company.rules))
            return assisted_search(task, openers(writer, task, company.assistant_model, rules))
        return search(task, writer)

    def _task(
        self,
        prepared: Prepared,
        options: GenerationConfig,
        noise: Noise | None,
        company: Company,
        recorder: Recorder | None,
    ) -> Task:
        _, max_length = length_bounds(options, prepared.prompts.shape[1])
        follows = recorder is not None and (options.return_dict_in_generate or company.counts_rows)
        stops = _stops(options, company, recorder)
        on_cpu = self.device.type == "cpu"
        extras: dict[str, Any] = {}
        return Task(
            options,
            self._rules(prepared, options, company, extras),
            prepared.prompts,
            max_length,
            noise,
            padding=None if prepared.prompt_mask is None or prepared.embeds is not None else prepared.prompt_mask == 0,
            whole=follows
            or stops is not None
            or not on_cpu
            or options.cache_implementation == "static"
            or has_a_say(self)
            or prepared.past is not None,  # the caller's cache keeps all its rows
            pause=1 if follows or on_cpu else PAUSE_ON_ACCELERATORS,
            stops=stops,
            listener=recorder if follows else None,
            extras=extras,
        )

    def _rules(
        self,
        prepared: Prepared,
        options: GenerationConfig,
        company: Company,
        extras: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[Rule]:
        """The rules of the options and the caller's own, in the order in which they apply."""
        sources = unpadded(prepared) if needs_sources(options) else ()
        allowed = company.prefix_allowed_tokens_fn
        rules = rules_for(options, prepared.prompts.shape[1], sources, allowed) if company.rules else ()
        before = [rule for rule in rules if not isinstance(rule, CUTS)]
        cuts = [rule for rule in rules if isinstance(rule, CUTS)]
        pad = padding_id(options) or 0
        every = [
            *applied(before, self.device),
            *(calling(each, pad, extras) for each in company.logits_processor),
            *applied(cuts, self.device),
            *(calling(each, pad, extras) for each in company.logits_warper),
        ]
        return watched(every, before, cuts, company)

    def _divided(self, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs and the options among the keywords of `generate`; a batch to train on has labels as well."""
        names = OF_ENCODER_DECODER if self.config.is_encoder_decoder else OF_DECODER
        given = {name: value for name, value in kwargs.items() if name in names}
        return given, {name: value for name, value in kwargs.items() if name not in (*names, "labels")}

    def compute_transition_scores(
        self,
        sequences: Tensor,
        scores: Sequence[Tensor],
        beam_indices: Tensor | None = None,
        normalize_logits: bool = False,
    ) -> Tensor:
        """What each written token added to the score of its sequence, from the outputs of `generate`; 0 behind the end.

        Shapes: sequences (o, t); scores (r, v) a step; beam_indices (o, steps), without which row i of the scores is of
        sequence i -> (o, steps of the longest).
        """
        steps = torch.stack(tuple(scores))  # (steps, r, v)
        if normalize_logits:
            steps = steps.log_softmax(dim=2)
        if beam_indices is None:
            beam_indices = torch.arange(steps.shape[1], device=sequences.device)[:, None].expand(-1, len(steps))
        longest = int((beam_indices >= 0).sum(dim=1).max())
        rows = beam_indices[:, :longest]
        tokens = sequences[:, sequences.shape[1] - longest :]
        found = steps[torch.arange(longest, device=rows.device), rows.clamp(min=0), tokens]
        return found.masked_fill(rows < 0, 0)


def calling(processor: Processor, pad: int, extras: Mapping[str, Any]) -> Rule:
    """A caller's processor as a rule; where prompts are padding it sees `pad`, and of `extras` what it asks for."""

    def call(ids: Tensor, scores: Tensor, sources: Tensor) -> Tensor:
        more = asked(processor, extras) if extras else {}
        return processor(ids.masked_fill(ids == NO_TOKEN, pad), scores, **more)

    return call


def check_company(company: Company, options: GenerationConfig) -> None:
    """Raises: OptionError if someone cannot take part in what the options ask for, or at all."""
    faults = []
    for name, members in (
        ("logits_processor", company.logits_processor),
        ("stopping_criteria", company.stopping_criteria),
    ):
        if not isinstance(members, Iterable) or not all(map(callable, members)):
            faults.append(f"`{name}` must be a list of functions or objects to be called, but is {members!r:.80}.")
    allowed = company.prefix_allowed_tokens_fn
    if allowed is not None and not callable(allowed):
        faults.append(f"`prefix_allowed_tokens_fn` must be a function, but is a {type(allowed).__name__}.")
    if company.streamer is not None and options.num_beams > 1:
        faults.append("`streamer` must be None with beams: what they write is known only at the end.")
    if options.cache_implementation not in (None, "dynamic", "static"):
        faults.append(
            f'`cache_implementation` must be "dynamic" or "static", but is "{options.cache_implementation}": '
            "caches lie on the device of their model, in its own type."
        )
    looks_ahead = company.assistant_model is not None or mode_of(options) in LOOKS_AHEAD
    if options.cache_implementation == "static" and looks_ahead:
        faults.append('`cache_implementation` must not be "static" for a search that looks ahead: its steps vary.')
    if options.stop_strings is not None and company.tokenizer is None:
        faults.append("`stop_strings` needs the tokenizer whose tokens spell them. Pass `tokenizer` as well.")
    raise_all(OptionError, faults, "generate")


def _tell_of_idle_options(options: GenerationConfig, asked: Mapping[str, Any], company: Company) -> None:
    """Warn of options of this call that only matter to a way of decoding that it does not ask for."""
    idle: dict[str, str] = {}
    if company.assistant_model is None:
        idle |= dict.fromkeys(ASSISTANTS, "without `assistant_model`")
    if options.cache_implementation != "static":
        idle["compile_config"] = 'without `cache_implementation="static"`'
    for name, lack in idle.items():
        if asked.get(name) is not None:
            warnings.warn(f"`{name}` has no effect {lack}.", UserWarning, stacklevel=4)


def _stops(options: GenerationConfig, company: Company, recorder: Recorder | None) -> Callable[[Tensor], Tensor] | None:
    """What ends rows before an end token or the length does."""
    criteria = [*company.stopping_criteria]
    if options.max_time is not None:
        criteria.append(MaxTimeCriteria(options.max_time))
    if options.stop_strings is not None:
        criteria.append(StopStringCriteria(company.tokenizer, options.stop_strings))
    if not criteria:
        return None
    recorded = None if recorder is None else recorder.scores
    return lambda ids: ended(criteria, ids, None if recorded is None else tuple(recorded))


def rectangle(written: Written, options: GenerationConfig, prompt_length: int) -> Tensor:
    """Outputs as the published `generate` returns them: (b · n, longest), padded on the right.

    Raises: OptionError if there is nothing to pad with.
    """
    ids, lengths = written.ids.flatten(0, 1), written.lengths.flatten() + prompt_length
    ids = ids[:, : int(lengths.max())]
    beyond = torch.arange(ids.shape[1], device=ids.device) >= lengths[:, None]
    pad = padding_id(options)
    if pad is None:
        if bool(beyond.any()):
            raise OptionError("`pad_token_id` must be set to return outputs of unequal lengths, but is None.")
        return ids
    return ids.masked_fill(beyond, pad)


def _joined(places: list[Tensor], parts: list[Any], options: GenerationConfig) -> Tensor:
    """Outputs of several groups of sources in the order of the sources; (b · n, longest)."""
    longest = max(part.shape[1] for part in parts)
    pad = padding_id(options)
    if pad is None:
        raise OptionError("`pad_token_id` must be set to return outputs of unequal lengths, but is None.")
    rows = torch.cat([torch.nn.functional.pad(part, (0, longest - part.shape[1]), value=pad) for part in parts])
    order = torch.cat(places).argsort()
    return rows.unflatten(0, (len(order), -1))[order].flatten(0, 1)


def _refuse(**arguments: tuple[Any, str]) -> None:
    given = {name: reason for name, (value, reason) in arguments.items() if value is not None}
    raise_all(OptionError, [f"`{name}` must be None: {reason}." for name, reason in given.items()], "generate")
