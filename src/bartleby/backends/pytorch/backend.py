"""The PyTorch models as a backend: ragged ids in, hypotheses and log-probabilities out."""

from __future__ import annotations

import os
from typing import Any, Self

import torch
from torch import Tensor

from bartleby.backends.grouping import alike_in_length, by_number_of_ends, by_prompt_length, each_once
from bartleby.backends.protocol import (
    Spans,
    Texts,
    check_head,
    check_labelled,
    check_request,
    check_targets,
    check_texts,
    head_to_open,
)
from bartleby.backends.pytorch.auto import (
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)
from bartleby.backends.pytorch.decoding.company import Company
from bartleby.backends.pytorch.decoding.inputs import Prepared
from bartleby.backends.pytorch.decoding.noise import SeededNoise
from bartleby.backends.pytorch.decoding.task import REASONS, Written
from bartleby.backends.pytorch.generation import check_company
from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.backends.pytorch.readers import QuestionAnswering, SequenceClassification
from bartleby.family.config import PreTrainedConfig
from bartleby.family.parameters import Head
from bartleby.generation.beams import Hypothesis
from bartleby.generation.config import GenerationConfig
from bartleby.generation.later import Implementation
from bartleby.generation.task import Generated

AUTO_CLASSES: dict[Head, Any] = {
    "conditional_generation": AutoModelForSeq2SeqLM,
    "sequence_classification": AutoModelForSequenceClassification,
    "question_answering": AutoModelForQuestionAnswering,
}
SCORED_AT_ONCE = 2**24
"""Logits that scoring holds at a time: 64 MB."""


class PyTorchBackend:
    """A model that writes, labels or finds answers, run where its weights lie."""

    name: Implementation = "pytorch"

    def __init__(self, model: ConditionalGeneration | SequenceClassification | QuestionAnswering) -> None:
        self.model: Any = model.eval()

    @classmethod
    def open(
        cls,
        name_or_path: str | os.PathLike[str],
        *,
        dtype: torch.dtype | str = "float32",
        device: torch.device | str | None = None,
        **where: Any,
    ) -> Self:
        """The checkpoint of that name or in that folder; `where` goes to `hub.resolve`. Without `device`: the CPU.

        Raises: HubError if it cannot be found, CheckpointError if its weights are not those its config describes.
        """
        auto_class = AUTO_CLASSES[head_to_open(name_or_path, **where)]
        return cls(auto_class.from_pretrained(name_or_path, dtype=dtype, device=device, **where))

    @property
    def config(self) -> PreTrainedConfig:
        return self.model.config

    @property
    def head(self) -> Head:
        return self.model.table_head

    @property
    def generation_config(self) -> GenerationConfig:
        check_head(self.head, "conditional_generation")
        return self.model.generation_config

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Texts,
        options: GenerationConfig,
        seed: int | None = None,
        *,
        decoder_input_ids: Texts | None = None,
    ) -> Generated:
        """As `Backend.generate`."""
        check_head(self.head, "conditional_generation")
        options.validate(self.name, self.config.vocab_size)
        check_company(Company(), options)
        check_request(input_ids, options, decoder_input_ids, self.config)
        results: Generated = [[] for _ in input_ids]
        for members, prompts in by_prompt_length(options, decoder_input_ids, len(input_ids)):
            prepared = self._prepared([input_ids[place] for place in members], prompts)
            noise = SeededNoise(seed, members, self.model.device) if options.do_sample else None
            outputs = hypotheses(self.model.write_prepared(prepared, options, noise), len(prompts[0]))
            for place, output in zip(members, outputs, strict=True):
                results[place] = output
        return results

    @torch.inference_mode()
    def score(self, input_ids: Texts, targets: Texts) -> list[list[float]]:
        """As `Backend.score`. Equal sources are read once, and targets of like length scored side by side."""
        check_head(self.head, "conditional_generation")
        check_targets(input_ids, targets, self.config)
        if not input_ids:
            return []
        sources, places = each_once(input_ids)
        ids, mask = padded(sources, self.model.device)
        states = self.model.get_encoder()(ids, mask, return_dict=True).last_hidden_state
        results: list[list[float]] = [[] for _ in targets]
        for members in alike_in_length(targets, SCORED_AT_ONCE // self.config.vocab_size):
            rows = torch.tensor([places[member] for member in members], device=states.device)
            chosen = [targets[member] for member in members]
            likely = self._likely(states[rows], None if mask is None else mask[rows], chosen)
            for member, row in zip(members, likely, strict=True):
                results[member] = row
        return results

    def _likely(self, states: Tensor, mask: Tensor | None, targets: Texts) -> list[list[float]]:
        """Log-probabilities of the targets' tokens, each after its source's states (b, s, d)."""
        labels, counts = padded(targets, self.model.device)  # pads come last, so nothing that counts sees them
        inputs = self.model.prepare_decoder_input_ids_from_labels(labels)
        read = {"attention_mask": mask, "decoder_input_ids": inputs, "encoder_outputs": (states,)}
        hidden = self.model.model(**read, use_cache=False, return_dict=True).last_hidden_state
        real = torch.ones_like(labels, dtype=torch.bool) if counts is None else counts.bool()
        logits = self.model.lm_logits(hidden[real]).float()  # (tokens, v): no pad is projected
        wanted = labels[real][:, None]
        likely = (logits.gather(1, wanted) - logits.logsumexp(dim=1, keepdim=True))[:, 0]
        return [row.tolist() for row in likely.cpu().split([len(target) for target in targets])]

    @torch.inference_mode()
    def classify(self, input_ids: Texts) -> list[list[float]]:
        """As `Backend.classify`."""
        check_head(self.head, "sequence_classification")
        check_labelled(input_ids, self.config)
        results: list[list[float]] = [[] for _ in input_ids]
        for members in by_number_of_ends(input_ids, self.config):
            texts = [input_ids[place] for place in members]
            ids, mask = padded(texts, self.model.device, self.config.pad_token_id)
            scores = self.model(ids, mask, use_cache=False, return_dict=True).logits.float()
            for place, row in zip(members, scores.tolist(), strict=True):
                results[place] = row
        return results

    @torch.inference_mode()
    def spans(self, input_ids: Texts) -> Spans:
        """As `Backend.spans`."""
        check_head(self.head, "question_answering")
        check_texts(input_ids, self.config, "text")
        if not input_ids:
            return []
        found = self.model(*padded(input_ids, self.model.device), use_cache=False, return_dict=True)
        starts, ends = found.start_logits.float().tolist(), found.end_logits.float().tolist()
        return [
            (start[: len(text)], end[: len(text)]) for text, start, end in zip(input_ids, starts, ends, strict=True)
        ]

    def _prepared(self, sources: Texts, prompts: Texts) -> Prepared:
        ids, mask = padded(sources, self.model.device)
        states = self.model.get_encoder()(ids, mask, return_dict=True).last_hidden_state
        return Prepared(padded(prompts, self.model.device)[0], None, ids, mask, states)


def padded(texts: Texts, device: torch.device, filler: int | None = 0) -> tuple[Tensor, Tensor | None]:
    """Texts as one tensor (b, longest), padded on the right, and its mask; None where nothing is padded."""
    lengths = [len(text) for text in texts]
    longest = max(lengths)
    ids = torch.tensor([[*text, *[filler or 0] * (longest - len(text))] for text in texts], device=device)
    if min(lengths) == longest:
        return ids, None
    return ids, (torch.arange(longest) < torch.tensor(lengths)[:, None]).long().to(device)


def hypotheses(written: Written, prompt_length: int) -> Generated:
    """What the search left on the device, as the protocol's hypotheses."""
    columns = (written.ids[:, :, prompt_length:], written.lengths, written.scores, written.reasons)
    return [
        [
            Hypothesis(tuple(ids[:length]), score, REASONS[reason])
            for ids, length, score, reason in zip(*source, strict=True)
        ]
        for source in zip(*(column.tolist() for column in columns), strict=True)
    ]
