"""Write goldens/containers.tar.xz: the same small models as PyTorch, TensorFlow and Flax save them.

Run from the checkout where transformers 4.37.2 has all three frameworks, and write nothing but the archive:
    python tests/parity/make_container_goldens.py
(torch==2.13.0 "numpy<2" transformers==4.37.2 tensorflow==2.15.1 "jax<0.5" "jaxlib<0.5" "flax<0.9")
A folder for each model: `pytorch` with the weights all others must give, `tensorflow`, `flax` and their variants.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import transformers

GOLDENS = Path(__file__).parent / "goldens" / "containers.tar.xz"
SIZES = {
    "encoder_layers": 1,
    "decoder_layers": 2,
    "vocab_size": 12,
    "d_model": 4,
    "max_position_embeddings": 6,
    **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 6 for side in ("encoder", "decoder")},
}
MODELS = {
    "Bart": ("Model", "ForConditionalGeneration", "ForSequenceClassification"),
    "Blenderbot": ("ForConditionalGeneration",),
    "BlenderbotSmall": ("ForConditionalGeneration",),
}
FLAX_ONLY = {"Bart": ("ForQuestionAnswering",)}
SHARD = "1KB"


def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Multiples of 1/64 below 2: exact in every type, and different for every name."""
    places = np.arange(np.prod(shape, dtype=int)) * 37 + zlib.crc32(name.encode())
    return ((places % 251 - 125) / 64).astype(np.float32).reshape(shape)


def filled(model: Any) -> Any:
    state = model.state_dict()
    model.load_state_dict({name: torch.from_numpy(numbers(name, tuple(each.shape))) for name, each in state.items()})
    model.tie_weights()
    return model


def save_model(folder: Path, prefix: str, suffix: str) -> None:
    config = getattr(transformers, f"{prefix}Config")(**SIZES)
    pytorch = folder / "pytorch"
    filled(getattr(transformers, prefix + suffix)(config)).save_pretrained(pytorch)
    if suffix not in FLAX_ONLY.get(prefix, ()):
        tensorflow = getattr(transformers, f"TF{prefix}{suffix}").from_pretrained(pytorch, from_pt=True)
        tensorflow.save_pretrained(folder / "tensorflow", safe_serialization=False)
        tensorflow.save_pretrained(folder / "tensorflow-shards", safe_serialization=False, max_shard_size=SHARD)
    flax = getattr(transformers, f"Flax{prefix}{suffix}").from_pretrained(pytorch, from_pt=True)
    flax.save_pretrained(folder / "flax", safe_serialization=False)
    flax.save_pretrained(folder / "flax-shards", safe_serialization=False, max_shard_size=SHARD)
    halved = flax.to_bf16(flax.params)
    flax.save_pretrained(folder / "flax-bfloat16", params=halved, safe_serialization=False)


def main() -> None:
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        for prefix, suffixes in MODELS.items():
            for suffix in (*suffixes, *FLAX_ONLY.get(prefix, ())):
                save_model(root / f"{prefix}{suffix}", prefix, suffix)
        for spare in root.rglob("generation_config.json"):
            spare.unlink()
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:xz", preset=9) as archive:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    member = tarfile.TarInfo(str(path.relative_to(root)))
                    member.size = path.stat().st_size
                    archive.addfile(member, io.BytesIO(path.read_bytes()))
    GOLDENS.write_bytes(content.getvalue())
    print(f"{GOLDENS}: {len(content.getvalue()):,} bytes")


if __name__ == "__main__":
    main()
