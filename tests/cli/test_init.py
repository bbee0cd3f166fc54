from __future__ import annotations

import os
import subprocess
import sys

import bartleby as package


def test_the_version_is_printed_and_nothing_else(bartleby):
    ran = bartleby("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"bartleby {package.__version__}\n", "")


def test_without_a_command_the_help_is_shown(bartleby):
    ran = bartleby()
    assert ran.code == 2
    assert "chat" in ran.out + ran.err


def test_help_is_quick_because_it_imports_nothing_heavy():
    code = "import sys; import bartleby.cli; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ran.stdout.split()}
    assert "typer" in loaded
    assert loaded & {"torch", "accelerate", "transformers", "numpy", "tokenizers", "huggingface_hub"} == set()


def test_warnings_are_one_line_on_stderr(tiny_chat):
    arguments = ["chat", "--model", tiny_chat, "--backend", "plain", "--once", "hello", "--top-k", "4"]
    ran = subprocess.run([sys.executable, "-m", "bartleby", *arguments], capture_output=True, text=True, check=True)
    assert "bartleby: `top_k` has no effect without sampling." in ran.stderr
    assert "UserWarning" not in ran.stderr


def test_characters_the_terminal_lacks_are_spelled_out(tiny_chat, tmp_path):
    folder = tmp_path / "été"
    folder.mkdir()
    (folder / "config.json").write_bytes((tiny_chat / "config.json").read_bytes())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "bartleby", "info", folder]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert r"\xe9t\xe9" in ran.stdout
