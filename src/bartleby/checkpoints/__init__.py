"""Bytes <-> named arrays: the published containers, names and folder layout, read and written without a framework."""

from bartleby.checkpoints.containers import StoredWeights, open_weights
from bartleby.checkpoints.folder import CheckpointFolder, save_folder
from bartleby.checkpoints.names import LoadingReport, Matched, Mismatch, file_names, match
from bartleby.checkpoints.tensors import StoredTensor

__all__ = [
    "CheckpointFolder",
    "LoadingReport",
    "Matched",
    "Mismatch",
    "StoredTensor",
    "StoredWeights",
    "file_names",
    "match",
    "open_weights",
    "save_folder",
]
