"""The BART family in one library: BART, Blenderbot and Blenderbot-Small."""

__version__ = "0.1.0"
