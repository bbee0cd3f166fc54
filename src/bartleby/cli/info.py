"""`bartleby info`: what a checkpoint is, from its files, or from the table of published ones without any."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bartleby.errors import CheckpointError, OptionError, TokenizerError

if TYPE_CHECKING:
    from bartleby.checkpoints.folder import CheckpointFolder
    from bartleby.family.config import PreTrainedConfig
    from bartleby.family.presets import Preset

Facts = dict[str, Any]

SIZES = (
    "d_model",
    "encoder_layers",
    "encoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_layers",
    "decoder_attention_heads",
    "decoder_ffn_dim",
    "vocab_size",
    "max_position_embeddings",
)
LONG_LIST = 8
BYTES = {"float32": 4, "float16": 2}


def info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A published or shipped name, or a folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the size, switches, decoding contract, tokenizer and turn layout of a checkpoint."""
    facts = facts_of(name)
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        facts["bytes"] = {dtype: f"{size:,} ({size / 1e6:,.0f} MB)" for dtype, size in facts["bytes"].items()}
        print("\n".join(lines_of(facts)))


def facts_of(name: str) -> Facts:
    """What is known of a checkpoint: of a folder or a shipped one from its files, of a published one from its preset.

    Only a name that is none of these is looked for on the hub, and no weights are fetched then either.
    """
    from bartleby.checkpoints.folder import CheckpointFolder
    from bartleby.family.presets import preset_of
    from bartleby.hub import embedded_names, resolve

    is_here = Path(name).expanduser().is_dir() or name in embedded_names()
    preset = None if is_here else preset_of(name)
    if preset is not None:
        return facts_of_preset(preset)
    with CheckpointFolder.open(resolve(name, weights=False)) as folder:
        return facts_of_folder(name, folder)


def facts_of_preset(preset: Preset) -> Facts:
    """What the table of published checkpoints says."""
    from bartleby.tokenization.auto import BY_MODEL_TYPE

    config = preset.config
    return {
        "name": preset.name,
        "known from": f"the table of published checkpoints ({preset.source})",
        **facts_of_config(config),
        "decoding": dict(preset.generation),
        "decoding in ParlAI": None if preset.parlai is None else dict(preset.parlai),
        "tokenizer": {"class": BY_MODEL_TYPE[config.model_type].__name__},
    }


def facts_of_folder(name: str, folder: CheckpointFolder) -> Facts:
    """What a checkpoint's own files say."""
    from bartleby.family.config import config_from_dict
    from bartleby.generation.config import GenerationConfig

    config = config_from_dict(folder.config)
    if folder.generation_config is None:
        options = GenerationConfig.from_model_config(config)
    else:
        options = GenerationConfig.from_dict(folder.generation_config)
    return {
        "name": name,
        "known from": str(folder.path),
        **facts_of_config(config),
        "weights": facts_of_weights(folder),
        "decoding": {option: value for option, value in options.to_diff_dict().items() if value is not None},
        "tokenizer": facts_of_tokenizer(folder.path),
    }


def facts_of_config(config: PreTrainedConfig) -> Facts:
    """Sizes, switches and turn layout, which both kinds of checkpoint have."""
    from bartleby.family.architecture import architecture_of
    from bartleby.family.parameters import head_of, parameter_count
    from bartleby.family.presets import layout_of

    head = head_of(config)
    parameters = parameter_count(config, head)
    try:
        layout = asdict(layout_of(config))
    except OptionError:  # not made for conversation
        layout = None
    return {
        "model type": config.model_type,
        "head": head,
        "parameters": parameters,
        "bytes": {dtype: parameters * size for dtype, size in BYTES.items()},
        "sizes": {size: getattr(config, size) for size in SIZES},
        "switches": {**asdict(architecture_of(config.model_type)), "scale_embedding": config.scale_embedding},
        "turn layout": layout,
    }


def facts_of_weights(folder: CheckpointFolder) -> Facts | None:
    """How many tensors the folder holds, and of which types; None if it has no weights."""
    try:
        weights = folder.weights
    except CheckpointError as error:
        return {"unreadable": str(error)} if has_weights(folder.path) else None
    types = Counter(weights.dtype(name) for name in weights.names())
    return {"tensors": len(weights.names()), "types": dict(types)}


def has_weights(path: Path) -> bool:
    from bartleby.hub import WEIGHT_FILES

    return any(True for patterns in WEIGHT_FILES.values() for pattern in patterns for _ in path.glob(pattern))


def facts_of_tokenizer(path: Path) -> Facts | None:
    """Class, size and longest input of the folder's tokenizer; None if it has none."""
    from bartleby.tokenization.auto import AutoTokenizer
    from bartleby.tokenization.lengths import UNLIMITED

    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (CheckpointError, TokenizerError) as error:
        return {"unreadable": str(error)}
    longest = tokenizer.model_max_length
    return {
        "class": type(tokenizer).__name__,
        "vocabulary": len(tokenizer),
        "longest input": longest if longest < UNLIMITED else None,
    }


def lines_of(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """The facts as aligned text, one a line, the parts of a group indented below it."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}"
            yield from lines_of(value, indent + "  ")
        else:
            yield f"{indent}{name:<{width}}  {shown(value)}"


def shown(value: object) -> str:
    """A value as a reader wants it: numbers with thousands marked, nothing as a dash, long lists by their beginning."""
    if value is None or value == {}:
        return "-"
    if isinstance(value, list) and len(value) > LONG_LIST:
        return f"{str(value[:LONG_LIST])[:-1]}, … {len(value)} in all]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return repr(value) if isinstance(value, str) and value.strip() != value else str(value)
