"""How fast the PyTorch wing decodes beside the reference library: same weights, same inputs, same ids.

    python benchmarks/decoding.py --shape blenderbot-90M --batch 1 --beams 10 --repeats 5

Both run in turn in one process, so that a busy machine slows both; the figure is the median of the ratios.
"""

import argparse
import logging
import statistics
import time
import warnings
from typing import Any

import torch
import transformers

from bartleby.backends.pytorch import models
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


def both(config: Any) -> tuple[Any, Any]:
    """Our model and the reference library's, with the same random weights, drawn so that nothing ends early."""
    name = NAMES[config.model_type]
    ours = getattr(models, f"{name}ForConditionalGeneration")(config).eval()
    ours.final_logits_bias[0, config.eos_token_id] = -1e4
    ours.generation_config = GenerationConfig()
    fields = {name: getattr(config, name) for name in config.arguments if name not in ("num_labels",)}
    theirs = getattr(transformers, f"{name}ForConditionalGeneration")(getattr(transformers, f"{name}Config")(**fields))
    theirs.load_state_dict(ours.state_dict())
    theirs.generation_config = transformers.GenerationConfig()
    return ours, theirs.eval()


def seconds(model: Any, ids: torch.Tensor, options: dict[str, Any]) -> tuple[float, torch.Tensor]:
    """Of one call, the device's work included."""
    if ids.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    output = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
    if ids.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start, output


parser = argparse.ArgumentParser()
parser.add_argument("--shape", choices=SHAPES, default="blenderbot-90M")
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--beams", type=int, default=1)
parser.add_argument("--source", type=int, default=64)
parser.add_argument("--new", type=int, default=40)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--threads", type=int)
parser.add_argument("--device", default="cpu")
parser.add_argument("--dtype", default="float32")
parser.add_argument("--static", action="store_true", help="steps of fixed shapes; on a GPU as CUDA graphs, in both")
arguments = parser.parse_args()
torch.manual_seed(0)
if arguments.threads:
    torch.set_num_threads(arguments.threads)
logging.getLogger("transformers").setLevel(logging.ERROR)
warnings.simplefilter("ignore")
config = SHAPES[arguments.shape]
pair = [model.to(arguments.device, getattr(torch, arguments.dtype)) for model in both(config)]
ids = torch.randint(4, config.vocab_size, (arguments.batch, arguments.source), device=arguments.device)
options = {
    "num_beams": arguments.beams,
    "max_new_tokens": arguments.new,
    "no_repeat_ngram_size": 3,
    "encoder_no_repeat_ngram_size": 3,
    "pad_token_id": config.pad_token_id,
    "eos_token_id": config.eos_token_id,
    "decoder_start_token_id": config.decoder_start_token_id,
    **({"cache_implementation": "static"} if arguments.static else {}),
}
times: list[list[float]] = []
for repeat in range(arguments.repeats + 1):
    (ours, mine), (theirs, published) = (seconds(model, ids, options) for model in pair)
    if arguments.dtype == "float32" and not torch.equal(mine, published):
        print("the ids differ")
    if repeat:  # the first warms up
        times.append([ours, theirs])
ratio = statistics.median(theirs / ours for ours, theirs in times)
ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
print(
    f"{arguments.shape} {arguments.device} {arguments.dtype} batch {arguments.batch} beams {arguments.beams}: "
    f"{ours:.2f} s, transformers {transformers.__version__} {theirs:.2f} s; {ratio:.2f} x as fast"
)
