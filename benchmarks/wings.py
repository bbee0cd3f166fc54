"""How fast the Flax and TensorFlow wings write beside the reference library's PyTorch: same weights, inputs and ids.

    python benchmarks/wings.py --shape bart-base --batch 8 --beams 4 --repeats 5

All write in turn in one process, so that a busy machine slows all; a figure is the median of the ratios. The first
call of each, in which the wings compile, is not counted but shown.
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers

import bartleby
from bartleby.family.config import BartConfig, BlenderbotConfig, BlenderbotSmallConfig
from bartleby.generation.config import GenerationConfig

NAMES = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
SHAPES = {
    "bart-base": BartConfig(d_model=768, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=3072, decoder_ffn_dim=3072,
                            encoder_attention_heads=12, decoder_attention_heads=12),
    "bart-large": BartConfig(),
    "blenderbot-400M": BlenderbotConfig(d_model=1280, decoder_layers=12, encoder_ffn_dim=5120, decoder_ffn_dim=5120),
    "blenderbot-90M": BlenderbotSmallConfig(vocab_size=54944),
}  # fmt: skip
Write = Callable[[dict[str, Any]], np.ndarray]


def writers(config: Any, ids: np.ndarray) -> dict[str, Write]:
    """Name -> a function from options to ids, all over the same random weights, drawn so that nothing ends early."""
    name = NAMES[config.model_type]
    ours = getattr(bartleby, f"{name}ForConditionalGeneration")(config).eval()
    ours.final_logits_bias[0, config.eos_token_id] = -1e4
    ours.generation_config = GenerationConfig()
    fields = {name: getattr(config, name) for name in config.arguments if name not in ("num_labels",)}
    theirs = getattr(transformers, f"{name}ForConditionalGeneration")(getattr(transformers, f"{name}Config")(**fields))
    theirs.load_state_dict(ours.state_dict())
    theirs.generation_config = transformers.GenerationConfig()
    theirs.eval()
    with tempfile.TemporaryDirectory() as folder:
        ours.save_pretrained(folder)
        flax = getattr(bartleby, f"Flax{name}ForConditionalGeneration").from_pretrained(folder)
        tensorflow = getattr(bartleby, f"TF{name}ForConditionalGeneration").from_pretrained(folder)
    tensor, mask = torch.from_numpy(ids), np.ones_like(ids)
    return {
        f"transformers {transformers.__version__}": lambda options: theirs.generate(
            tensor, attention_mask=torch.from_numpy(mask), **options
        ).numpy(),
        "pytorch": lambda options: ours.generate(tensor, attention_mask=torch.from_numpy(mask), **options).numpy(),
        "flax": lambda options: np.asarray(flax.generate(ids, attention_mask=mask, **options).sequences),
        "tensorflow": lambda options: tensorflow.generate(ids, attention_mask=mask, **options).numpy(),
    }


parser = argparse.ArgumentParser()
parser.add_argument("--shape", choices=SHAPES, default="bart-base")
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--beams", type=int, default=4)
parser.add_argument("--source", type=int, default=64)
parser.add_argument("--new", type=int, default=40)
parser.add_argument("--repeats", type=int, default=5)
arguments = parser.parse_args()
torch.manual_seed(0)
logging.getLogger("transformers").setLevel(logging.ERROR)
warnings.simplefilter("ignore")
config = SHAPES[arguments.shape]
ids = np.random.default_rng(0).integers(4, config.vocab_size, (arguments.batch, arguments.source))
options = {
    "num_beams": arguments.beams,
    "max_new_tokens": arguments.new,
    "no_repeat_ngram_size": 3,
    "encoder_no_repeat_ngram_size": 3,
    "pad_token_id": config.pad_token_id,
    "eos_token_id": config.eos_token_id,
    "decoder_start_token_id": config.decoder_start_token_id,
}
made = writers(config, ids)
times: dict[str, list[float]] = {}
for _ in range(arguments.repeats + 1):
    written = {}
    for name, write in made.items():
        start = time.perf_counter()
        written[name] = write(options)
        times.setdefault(name, []).append(time.perf_counter() - start)
    for name, sequences in written.items():
        if not np.array_equal(sequences, next(iter(written.values()))):
            print(f"the ids of {name} differ")
reference, *others = times
print(f"{arguments.shape} batch {arguments.batch} beams {arguments.beams}, {arguments.new} tokens written, float32:")
print(f"{reference}: {statistics.median(times[reference][1:]):.2f} s")
for name in others:
    ratio = statistics.median(theirs / ours for theirs, ours in zip(times[reference][1:], times[name][1:], strict=True))
    print(f"{name}: {statistics.median(times[name][1:]):.2f} s, {ratio:.2f} x as fast (first {times[name][0]:.1f} s)")
