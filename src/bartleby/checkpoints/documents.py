"""The JSON files of a checkpoint folder, read with errors that name the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bartleby.checkpoints.tensors import refuse_pointer
from bartleby.errors import CheckpointError


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises: CheckpointError if there is no such file or it holds anything else, with line and column.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not content.strip():
        raise CheckpointError(f"{path} is empty. Download or copy it again.")
    refuse_pointer(path, content)
    try:
        document = json.loads(content.decode("utf-8"))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise CheckpointError(f"{path} is no JSON: {error.msg} at {place}. Correct it or download it again.") from None
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is no UTF-8 text: {error.reason} at byte {error.start}.") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is no usable JSON: {error}.") from None
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} must hold a JSON object, but holds a {type(document).__name__}.")
    return document


def document_bytes(document: dict[str, Any]) -> bytes:
    """The text the published folders hold: indented by two, keys sorted, one newline at the end.

    Raises: CheckpointError if a value has no JSON form.
    """
    try:
        return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"A configuration to be saved must be plain JSON values, but: {error}.") from None
