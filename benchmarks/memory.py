"""What beam search needs besides the weights: memory as beams and sources grow, beside the reference library.

    python benchmarks/memory.py

Every cell is a process of its own, and is the growth of its peak resident memory while `generate` runs. The model is
small and its batch large, so that what is held for the sources outweighs everything else.
"""

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

BATCH, NEW, LAYERS, D_MODEL = 8, 8, 6, 256
FIELDS: dict[str, Any] = {
    "vocab_size": 1000, "d_model": D_MODEL, "encoder_layers": 1, "decoder_layers": LAYERS, "encoder_ffn_dim": 512,
    "decoder_ffn_dim": 512, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
}  # fmt: skip


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def grown(library: str, beams: int, source: int) -> float:
    """MiB that this process needed more for writing `NEW` tokens with these beams."""
    import torch

    if library == "bartleby":
        from bartleby import BartConfig, BartForConditionalGeneration
    else:
        from transformers import BartConfig, BartForConditionalGeneration  # type: ignore[assignment]
    torch.set_num_threads(1)
    model: Any = BartForConditionalGeneration(BartConfig(**FIELDS)).eval()
    ids = torch.randint(4, 1000, (BATCH, source))
    options: dict[str, Any] = {"attention_mask": torch.ones_like(ids), "min_new_tokens": NEW, "max_new_tokens": NEW}
    model.generate(ids[:, :8], **options | {"attention_mask": torch.ones_like(ids[:, :8])})  # libraries take theirs
    with torch.no_grad():
        model.get_encoder()(ids)  # reading needs much for a moment, with and without beams
    before = peak()
    model.generate(ids, num_beams=beams, **options)
    return peak() - before


def in_a_process(*cell: Any) -> float:
    command = [sys.executable, __file__, *map(str, cell)]
    return float(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout))


parser = argparse.ArgumentParser()
parser.add_argument("cell", nargs="*", help="library, beams, source: measure in this process")
arguments = parser.parse_args()
if arguments.cell:
    print(json.dumps(grown(arguments.cell[0], int(arguments.cell[1]), int(arguments.cell[2]))))
    raise SystemExit
for source in (256, 512, 1024):
    once = 2 * LAYERS * BATCH * source * D_MODEL * 4 / 2**20
    print(f"source {source}: the keys and values of {BATCH} sources are {once:.0f} MiB", flush=True)
    for beams in (1, 4, 10):
        ours, theirs = in_a_process("bartleby", beams, source), in_a_process("transformers", beams, source)
        print(f"    {beams:2} beams: bartleby {ours:5.0f} MiB, transformers {theirs:5.0f} MiB", flush=True)
