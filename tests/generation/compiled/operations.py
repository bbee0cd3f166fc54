"""Calls of every array operation, to hold a framework's to NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

SCORES = np.array([[0.5, -np.inf, 2.0, 2.0, -1.0], [3.0, 1.0, -np.inf, 0.0, np.nan]], dtype=np.float32)
FINITE = np.array([[0.5, -7.0, 2.0, 2.0, -1.0], [3.0, 1.0, -5.0, 0.0, 3.0]], dtype=np.float32)
IDS = np.array([[4, 5, 6, 5, 1], [7, 7, 2, 1, 1]], dtype=np.int32)
PLACES = np.array([[0, 3, 3], [4, 1, 4]], dtype=np.int32)
TWO = np.array([[1, 0], [1, 1]], dtype=np.int32)
CUBE = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
TRUTHS = np.array([[True, False, True], [False, False, False]])
MORE = np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]], dtype=np.float32)

CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("asarray", ([[1, 2]], "int32")),
    ("asarray", ([1.5], "float32")),
    ("full", ((2, 3), -np.inf, "float32")),
    ("full", ((), 3, "int32")),
    ("arange", (4,)),
    ("cast", (TRUTHS, "int32")),
    ("cast", (7, "int32")),
    ("reshape", (CUBE, (-1, 4))),
    ("broadcast_to", (IDS[:, None], (2, 3, 5))),
    ("concat", ([IDS, IDS[:, :2]], 1)),
    ("where", (TRUTHS, -1, PLACES)),
    ("where", (TRUTHS, MORE, -np.inf)),
    ("minimum", (IDS, 5)),
    ("maximum", (FINITE, 0.0)),
    ("exp", (FINITE,)),
    ("log", (np.abs(FINITE),)),
    ("abs", (FINITE,)),
    ("isnan", (SCORES,)),
    ("isfinite", (SCORES,)),
    ("sum", (FINITE, 1, True)),
    ("max", (FINITE, 1)),
    ("max", (FINITE, 1, True)),
    ("any", (TRUTHS, 1)),
    ("any", (TRUTHS, 1, True)),
    ("all", (TRUTHS, 1)),
    ("all", (TRUTHS,)),
    ("cumsum", (FINITE, 1)),
    ("argmax", (FINITE, 1)),
    ("argmax", (TRUTHS, 1)),
    ("argsort", (FINITE,)),
    ("argsort", (IDS,)),
    ("take", (FINITE, PLACES)),
    ("take", (CUBE, TWO)),
    ("columns", (IDS, np.int32(2), 2)),
    ("columns", (IDS, np.int32(4), 3)),
    ("columns", (IDS, -2, 3)),
    ("set_column", (CUBE, np.int32(2), PLACES)),
    ("put", (FINITE, np.array([[0, 3], [4, 4]], dtype=np.int32), np.array([[9, 8], [7, 7]], dtype=np.float32))),
    ("add", (FINITE, PLACES, MORE)),
    ("ban", (FINITE, PLACES, TRUTHS)),
]
