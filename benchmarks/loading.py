"""How much memory loading takes, here and in the reference library: peak of a fresh process over the weights' bytes.

    python benchmarks/loading.py --shape bart-large --stored float16 --dtype float32

The weights are random. A ratio of 1 is the weights and nothing else; every page of them is touched before it is told.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import torch

from bartleby.backends.pytorch import models
from bartleby.family.config import BartConfig

SHAPES = {
    "small": BartConfig(vocab_size=30_000, d_model=512, encoder_layers=4, decoder_layers=4, encoder_ffn_dim=2048,
                        decoder_ffn_dim=2048),
    "bart-base": BartConfig(d_model=768, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=3072,
                            decoder_ffn_dim=3072),
    "bart-large": BartConfig(),
}  # fmt: skip
STATUS = Path("/proc/self/status")
DTYPES = ("float32", "float16", "bfloat16")


def peak() -> int:
    """Most bytes that this process held at once since its peak was last reset."""
    return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) * 1024


def measure(library: str, warm_up: str, folder: str, dtype: str) -> None:
    """In a fresh process: everything is imported and used once, then one model is loaded and looked at."""
    BartForConditionalGeneration = import_module(library).BartForConditionalGeneration
    BartForConditionalGeneration.from_pretrained(warm_up, dtype=getattr(torch, dtype))
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = peak(), time.perf_counter()
    model = BartForConditionalGeneration.from_pretrained(folder, dtype=getattr(torch, dtype))
    seconds, loaded = time.perf_counter() - start, peak() - before
    for parameter in model.parameters():
        parameter.detach().view(-1)[::512].float().sum()  # a number of every page
    own, touched = model.get_memory_footprint(), peak() - before
    print(
        f"    {library}: {own / 2**20:.0f} MiB of weights in {seconds:.2f} s; peak {loaded / own:.2f} x the weights, "
        f"with every page touched {touched / own:.2f} x"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="bart-base")
    parser.add_argument("--stored", choices=DTYPES, default="float16")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        tiny = BartConfig(vocab_size=50, d_model=16, encoder_layers=1, decoder_layers=1, max_position_embeddings=8)
        for name, config in (("tiny", tiny), ("asked", SHAPES[asked.shape])):
            model = models.BartForConditionalGeneration._from_config(config, dtype=asked.stored)
            model.save_pretrained(Path(temporary, name))
        del model
        print(f"{asked.shape} stored as {asked.stored}, loaded as {asked.dtype}")
        arguments = [str(Path(temporary, "tiny")), str(Path(temporary, "asked")), asked.dtype]
        for library in ("bartleby", "transformers"):
            quiet = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
            subprocess.run([sys.executable, __file__, "--measure", library, *arguments], check=True, env=quiet)


if __name__ == "__main__":
    measure(*sys.argv[2:]) if sys.argv[1:2] == ["--measure"] else main()
