"""The command reference is what the commands say of themselves."""

import subprocess
import sys


def test_the_reference_is_up_to_date(root):
    printed = subprocess.run(
        [sys.executable, root / "scripts" / "reference"], capture_output=True, text=True, check=True
    ).stdout
    written = (root / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == printed, "run: .venv/bin/python scripts/reference > docs/cli.md"
