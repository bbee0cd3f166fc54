"""The README's commands and programs are real: they exist, and the quick ones run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import typer

from bartleby.cli import app

QUICK = ("bartleby info", "bartleby chat", "bartleby --version", "python examples/")


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(readme: str) -> list[str]:
    """Every command line, of what is to be typed and of what was typed."""
    typed = [line for block in blocks(readme, "sh") for line in block.splitlines()]
    shown = [line[2:] for block in blocks(readme, "console") for line in block.splitlines() if line.startswith("$ ")]
    return [line.split("  #")[0].strip() for line in (*typed, *shown) if line.strip()]


def test_the_make_targets_exist(root, readme):
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = [line.split()[1] for line in commands(readme) if line.startswith("make ")]
    assert {"demo", "test"} <= set(named) <= targets


def test_the_commands_and_their_options_exist(readme):
    faults = []
    for line in commands(readme):
        for part in re.split(r"\s[|<>]\s", line):
            words = shlex.split(part)
            if words[0].removeprefix(".venv/bin/") == "bartleby":
                faults += [f"{line}: {fault}" for fault in unknown_words(words[1:])]
    assert faults == []


def unknown_words(words: list[str]) -> list[str]:
    """Subcommands and options among `words` that the command line does not have."""
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    wanted = [word for word in words if word.startswith("--")]
    if hasattr(command, "commands") and not wanted:
        return [f"no command {' '.join(words)!r}"]
    return [option for option in wanted if option not in options]


def test_quick_commands_print_what_the_readme_shows(readme, root):
    ran = []
    for block in blocks(readme, "console"):
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            command = command.replace("make demo", "python examples/chat.py").removeprefix(".venv/bin/")
            if command.startswith(QUICK):
                assert run_line(command, root) == shown
                ran.append(command)
    assert "python examples/chat.py" in ran


def run_line(command: str, root) -> str:
    """What a shell prints, with this Python."""
    python = shlex.quote(sys.executable)
    line = re.sub(r"^bartleby ", f"{python} -m bartleby ", re.sub(r"^python ", f"{python} ", command))
    ran = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=root, check=True)
    return ran.stdout


def test_the_programs_run(readme, root):
    programs = blocks(readme, "python")
    assert programs
    for program in programs:
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root)
        if missing := re.search(r'MissingExtraError: (.* needs .* Run: pip install "bartleby\[\w+\]")', ran.stderr):
            pytest.skip(missing[1])
        assert ran.returncode == 0, ran.stderr
