"""How a sequence is chosen from what a model finds likely; knows no model class."""

from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import resolve_options

__all__ = ["GenerationConfig", "resolve_options"]
