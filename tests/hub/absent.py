"""Parameters of tests that are read from ../shared, where that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


def or_absent(found: Sequence[Any], source: Path, name: str = "") -> list[Any]:
    """What was found, each called by its number or its attribute `name`; else one that is skipped, with the reason."""
    if not found:
        reason = f"needs ../shared/{source.parent.name}/{source.name}, which is not beside this checkout"
        return [pytest.param(None, id="absent", marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(each, id=getattr(each, name, str(number))) for number, each in enumerate(found)]
