"""The PyTorch models as a backend: ragged ids in, hypotheses and log-probabilities out."""

from __future__ import annotations

import os
from typing import Any, Self

import torch
from torch import Tensor

from bartleby.backends.protocol import Texts, by_prompt_length, check_request, check_targets
from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM
from bartleby.backends.pytorch.decoding.company import Company
from bartleby.backends.pytorch.decoding.inputs import Prepared
from bartleby.backends.pytorch.decoding.noise import SeededNoise
from bartleby.backends.pytorch.decoding.task import REASONS, Written
from bartleby.backends.pytorch.generation import check_company
from bartleby.backends.pytorch.heads import ConditionalGeneration
from bartleby.family.config import PreTrainedConfig
from bartleby.generation.beams import Hypothesis
from bartleby.generation.config import GenerationConfig
from bartleby.generation.later import Implementation
from bartleby.generation.task import Generated


class PyTorchBackend:
    """A model with a language-modelling head, run where its weights lie."""

    name: Implementation = "pytorch"

    def __init__(self, model: ConditionalGeneration) -> None:
        self.model = model.eval()

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
        return cls(AutoModelForSeq2SeqLM.from_pretrained(name_or_path, dtype=dtype, device=device, **where))

    @property
    def config(self) -> PreTrainedConfig:
        return self.model.config

    @property
    def generation_config(self) -> GenerationConfig:
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
        """As `Backend.score`."""
        check_targets(input_ids, targets, self.config)
        if not input_ids:
            return []
        ids, mask = padded(input_ids, self.model.device)
        labels, _ = padded(targets, self.model.device)  # pads come last, so nothing that counts sees them
        inputs = self.model.prepare_decoder_input_ids_from_labels(labels)
        logits: Tensor = self.model(ids, mask, inputs, use_cache=False, return_dict=True).logits.float()
        likely = (logits.gather(2, labels[:, :, None]) - logits.logsumexp(dim=2, keepdim=True))[:, :, 0]
        return [row[: len(target)] for row, target in zip(likely.tolist(), targets, strict=True)]

    def _prepared(self, sources: Texts, prompts: Texts) -> Prepared:
        ids, mask = padded(sources, self.model.device)
        states = self.model.get_encoder()(ids, mask, return_dict=True).last_hidden_state
        return Prepared(padded(prompts, self.model.device)[0], None, ids, mask, states)


def padded(texts: Texts, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Texts as one tensor (b, longest), padded on the right, and its mask; None where nothing is padded."""
    lengths = [len(text) for text in texts]
    longest = max(lengths)
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)
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
