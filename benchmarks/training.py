"""How fast training steps are taken beside a plain PyTorch loop around the reference library's model.

    python benchmarks/training.py --shape chat-mini --pairs 20

Both take each step in turn in one process on the same batches, from the same weights, in the same precision and with
AdamW (fused in both, so that the loops differ and not the optimizer); a figure is the median of the ratios.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn.utils import clip_grad_norm_

import bartleby
from bartleby.family.config import BartConfig, PreTrainedConfig
from bartleby.family.presets import PRESETS
from bartleby.training.batches import Batch, Batches
from bartleby.training.collation import Padding, PairCollation
from bartleby.training.objectives.likelihood import TargetLoss
from bartleby.training.settings import TrainingOptions
from bartleby.training.store import Examples
from bartleby.training.trainer import Trainer

NAMES = {"bart": "Bart", "blenderbot": "Blenderbot"}
SHAPES = {
    "chat-mini": PRESETS["bartleby-chat-mini"].config,
    "summary-mini": PRESETS["bartleby-summary-mini"].config,
    "bart-base": BartConfig(d_model=768, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=3072, decoder_ffn_dim=3072,
                            encoder_attention_heads=12, decoder_attention_heads=12),
}  # fmt: skip
LENGTHS = {"chat-mini": (42, 15), "summary-mini": (270, 16), "bart-base": (270, 16)}
"""Mean tokens of sources and targets: of the chat corpora, and of abstracts and their titles."""
Step = Callable[[Batch], float]


def examples(config: PreTrainedConfig, means: tuple[int, int], count: int) -> Examples:
    """Random ids in rows whose lengths scatter as those of texts do."""
    generator = np.random.default_rng(0)
    columns = {}
    for name, mean in zip(("source", "target"), means, strict=True):
        lengths = np.clip(generator.gamma(4, mean / 4, count).astype(int), 4, config.max_position_embeddings)
        columns[name] = [generator.integers(5, config.vocab_size, length) for length in lengths]
    return Examples.of(columns)


def our_steps(config: PreTrainedConfig, precision: str) -> Step:
    """The trainer of this library."""
    model = getattr(bartleby, f"{NAMES[config.model_type]}ForConditionalGeneration")(config)
    queue: list[Batch] = []

    def batches(start: int) -> Iterator[Batch]:
        while True:
            yield queue.pop()

    options = TrainingOptions(steps=10**6, optimizer="adamw", precision=precision)
    steps = Trainer(TargetLoss(model), batches, options).run()

    def step(batch: Batch) -> float:
        queue.append(batch)
        return next(steps).loss

    return step


def their_steps(config: PreTrainedConfig, precision: str) -> Step:
    """A loop as tutorials write it."""
    name = NAMES[config.model_type]
    fields = {field: getattr(config, field) for field in config.arguments if field != "num_labels"}
    model: Any = getattr(transformers, f"{name}ForConditionalGeneration")(
        getattr(transformers, f"{name}Config")(**fields)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    model.train()

    def step(batch: Batch) -> float:
        inputs = {key: torch.from_numpy(array) for key, array in batch.arrays.items()}
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**inputs).loss
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.item())

    return step


parser = argparse.ArgumentParser()
parser.add_argument("--shape", choices=SHAPES, default="chat-mini")
parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
parser.add_argument("--batch-tokens", type=int, default=5000)
parser.add_argument("--pairs", type=int, default=20)
parser.add_argument("--threads", type=int, default=torch.get_num_threads())
arguments = parser.parse_args()
logging.getLogger("transformers").setLevel(logging.ERROR)
warnings.simplefilter("ignore")
torch.set_num_threads(arguments.threads)
config = SHAPES[arguments.shape]
collation = PairCollation(examples(config, LENGTHS[arguments.shape], 20_000), Padding.of(config))
batches = Batches(collation.lengths(), collation, arguments.batch_tokens, seed=0)
sides = {"transformers": their_steps(config, arguments.precision), "bartleby": our_steps(config, arguments.precision)}
times: dict[str, list[float]] = {name: [] for name in sides}
tokens = 0
for number, batch in enumerate(islice(batches.from_number(0), arguments.pairs + 2)):
    tokens += batch.tokens if number >= 2 else 0
    for name, step in sides.items():
        start = time.perf_counter()
        step(batch)
        times[name].append(time.perf_counter() - start)
counted = {name: seconds[2:] for name, seconds in times.items()}  # the first steps make room in memory
print(f"{arguments.shape}, {arguments.precision}, {arguments.batch_tokens} places, {arguments.threads} threads:")
for name, seconds in counted.items():
    print(f"{name}: {tokens / sum(seconds):,.0f} tokens/s")
ratios = [theirs / ours for theirs, ours in zip(counted["transformers"], counted["bartleby"], strict=True)]
print(f"bartleby is {statistics.median(ratios):.2f} x as fast ({min(ratios):.2f} to {max(ratios):.2f})")
