"""Which import paths are served, and which modules of this package have the names that live there."""

from __future__ import annotations

LIBRARY = "transformers"
SPEAKS = "5.23.0"
"""The newest release whose names are served; those of 4.37 that it lost are served beside them."""

_TORCH, _FLAX, _KERAS = (f"bartleby.backends.{wing}" for wing in ("pytorch", "flax", "keras"))
_ALL = ("bartleby",)
_MODELS = (f"{_TORCH}.models", f"{_TORCH}.passing", "bartleby")


def _family(name: str) -> dict[str, tuple[str, ...]]:
    """The modules of one model."""
    package = f"{LIBRARY}.models.{name}"
    return {
        package: _ALL,
        f"{package}.configuration_{name}": _ALL,
        f"{package}.modeling_{name}": _MODELS,
        f"{package}.modeling_flax_{name}": (f"{_FLAX}.models", "bartleby"),
        f"{package}.modeling_tf_{name}": (f"{_KERAS}.models", f"{_KERAS}.passing", "bartleby"),
        f"{package}.tokenization_{name}": _ALL,
        f"{package}.tokenization_{name}_fast": _ALL,
    }


SERVED: dict[str, tuple[str, ...]] = {
    LIBRARY: _ALL,
    f"{LIBRARY}.models": (),
    **_family("bart"),
    **_family("blenderbot"),
    **_family("blenderbot_small"),
    **dict.fromkeys(
        (
            f"{LIBRARY}.models.{path}"
            for path in (
                "auto",
                "auto.modeling_auto",
                "auto.modeling_flax_auto",
                "auto.modeling_tf_auto",
                "auto.tokenization_auto",
                "auto.configuration_auto",
            )
        ),
        _ALL,
    ),
    **dict.fromkeys((f"{LIBRARY}.models.roberta", f"{LIBRARY}.models.roberta.tokenization_roberta"), _ALL),
    f"{LIBRARY}.activations": (f"{_TORCH}.activations",),
    f"{LIBRARY}.activations_tf": (f"{_KERAS}.activations",),
    f"{LIBRARY}.cache_utils": (f"{_TORCH}.cache", "bartleby"),
    f"{LIBRARY}.configuration_utils": _ALL,
    f"{LIBRARY}.file_utils": ("bartleby.compat.environment", "bartleby"),
    f"{LIBRARY}.generation": _ALL,
    f"{LIBRARY}.generation.beam_constraints": _ALL,
    f"{LIBRARY}.generation.beam_search": _ALL,
    f"{LIBRARY}.generation.configuration_utils": _ALL,
    f"{LIBRARY}.generation.flax_logits_process": _ALL,
    f"{LIBRARY}.generation.flax_utils": _ALL,
    f"{LIBRARY}.generation.logits_process": _ALL,
    f"{LIBRARY}.generation.stopping_criteria": _ALL,
    f"{LIBRARY}.generation.streamers": _ALL,
    f"{LIBRARY}.generation.tf_logits_process": _ALL,
    f"{LIBRARY}.generation.tf_utils": _ALL,
    f"{LIBRARY}.generation.utils": _ALL,
    f"{LIBRARY}.modeling_flax_outputs": (f"{_FLAX}.outputs", "bartleby"),
    f"{LIBRARY}.modeling_flax_utils": (f"{_FLAX}.activations", "bartleby"),
    f"{LIBRARY}.modeling_outputs": _ALL,
    f"{LIBRARY}.modeling_tf_outputs": (f"{_KERAS}.outputs", "bartleby"),
    f"{LIBRARY}.modeling_tf_utils": _ALL,
    f"{LIBRARY}.modeling_utils": _ALL,
    f"{LIBRARY}.tokenization_utils": _ALL,
    f"{LIBRARY}.tokenization_utils_base": _ALL,
    f"{LIBRARY}.tokenization_utils_fast": _ALL,
    f"{LIBRARY}.tokenization_python": _ALL,
    f"{LIBRARY}.tokenization_utils_tokenizers": _ALL,
    f"{LIBRARY}.trainer_utils": _ALL,
    f"{LIBRARY}.utils": ("bartleby.compat.environment", "bartleby"),
    f"{LIBRARY}.utils.generic": ("bartleby.compat.environment", "bartleby"),
    f"{LIBRARY}.utils.import_utils": ("bartleby.compat.environment",),
    f"{LIBRARY}.utils.logging": ("bartleby.compat.verbosity",),
    f"{LIBRARY}.logging": ("bartleby.compat.verbosity",),
}
"""Import path -> where its names are looked up, in this order."""

HINTS = {
    "Trainer": "Training is in bartleby.training.",
    "pipeline": "A chat is bartleby.Chat; other tasks begin with a tokenizer and a model.",
    "Pipeline": "A chat is bartleby.Chat; other tasks begin with a tokenizer and a model.",
    "Bert": "Only BART, Blenderbot and Blenderbot-Small are here.",
    "GPT": "Only BART, Blenderbot and Blenderbot-Small are here.",
    "T5": "Only BART, Blenderbot and Blenderbot-Small are here.",
}
"""What to say of a name that is not served and holds a mark."""
