from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from functools import partial

import pytest

from bartleby.cli.chat import say
from bartleby.tasks.chat import Chat, Reply

COMMAND = (sys.executable, "-m", "bartleby", "chat", "--backend", "plain", "--model")


@pytest.fixture
def chat(bartleby, tiny_chat):
    return partial(bartleby, "chat", "--model", tiny_chat, "--backend", "plain")


def replies(tiny_chat, *messages, **options):
    """What the same model says in Python, as lines of stdout."""
    talk = Chat.load(tiny_chat, backend="plain", **options)
    return "".join(f"{talk.reply(message)}\n" for message in messages)


def test_once_prints_the_reply_alone_on_stdout(chat, tiny_chat):
    ran = chat("--once", "hello, how are you?")
    assert (ran.code, ran.out) == (0, replies(tiny_chat, "hello, how are you?"))
    assert "run by the plain backend" in ran.err


def test_a_pipe_gets_one_line_for_each_message_of_one_conversation(chat, tiny_chat):
    messages = ["hello", "i have two cats.", "they like to play."]
    ran = chat(piped="\n".join(messages) + "\n")
    assert (ran.code, ran.out) == (0, replies(tiny_chat, *messages))


def test_an_empty_pipe_is_no_conversation(chat):
    ran = chat(piped="")
    assert (ran.code, ran.out) == (0, "")


def test_a_line_without_text_stops_the_pipe_and_is_named(chat):
    ran = chat(piped="hello\n \nhello\n")
    assert (ran.code, ran.out.count("\n")) == (1, 1)
    assert "Line 2 of standard input must be a message" in ran.err


def test_decoding_options_go_over_the_checkpoints_own(chat, tiny_chat):
    ran = chat("--once", "hello", "--num-beams", 1, "--max-new-tokens", 3)
    assert ran.out == replies(tiny_chat, "hello", num_beams=1, max_new_tokens=3)
    assert ran.out != replies(tiny_chat, "hello")
    assert "cut off at 3 tokens" in ran.err


def test_samples_repeat_with_their_seed(chat):
    say = partial(chat, "--once", "hello", "--num-beams", 1, "--do-sample", "--seed")
    assert say(3).out == say(3).out
    assert len({say(seed).out for seed in range(4)}) > 1


def test_the_persona_reaches_the_model(chat, tiny_chat):
    ran = chat("--once", "hello", "--persona", "i read all day long.", "--persona", "i have a dog.")
    assert ran.out == replies(tiny_chat, "hello", personas=["i read all day long.", "i have a dog."])
    assert ran.out != replies(tiny_chat, "hello")


def test_dropped_turns_are_told_on_stderr(chat):
    ran = chat(piped="i work in a library and read all day long.\n" * 6)
    assert ran.code == 0
    assert "oldest turns" in ran.err
    assert "oldest turns" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--once", " "], 1, "must have text"),
        (["--once", "cats and dogs " * 64], 1, "must fit 64 tokens"),
        (["--once", "hello", "--persona", ""], 1, "A persona line must have text"),
        (["--once", "hello", "--num-beams", "0"], 2, "`num_beams` must be"),
        (["--once", "hello", "--backend", "abacus"], 2, "`backend` must be"),
        (["--once", "hello", "--num-beams", "many"], 2, "--num-beams"),
        (["--once", "hello", "--seed", "-1"], 2, "--seed"),
        (["--no-such-option"], 2, "--no-such-option"),
        (["--once", "hello", "--model", "./no/such/folder"], 1, "There is no folder './no/such/folder'"),
    ],
)
def test_what_cannot_be_is_told_on_stderr_without_a_traceback(chat, arguments, code, complaint):
    ran = chat(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert complaint in ran.err
    assert "Traceback" not in ran.err


def test_at_a_terminal_the_chat_goes_on_until_one_leaves(chat, tiny_chat):
    ran = chat(typed="hello\n\ni have two cats.\n/quit\nnot read any more\n")
    assert (ran.code, ran.out) == (0, replies(tiny_chat, "hello", "i have two cats."))


def test_at_a_terminal_reset_starts_over(chat, tiny_chat):
    ran = chat(typed="hello\n/reset\nhello\n")
    assert ran.out == replies(tiny_chat, "hello") * 2


def test_at_a_terminal_a_refusal_does_not_end_the_chat(chat, tiny_chat):
    ran = chat(typed="cats and dogs " * 64 + "\n/what\nhello\n")
    assert (ran.code, ran.out) == (0, replies(tiny_chat, "hello"))
    assert "must fit 64 tokens" in ran.err
    assert "There is no command /what" in ran.err


@pytest.mark.parametrize(
    ("handling", "complaint"),
    [("strict", b"Standard input must be utf-8 text"), ("surrogateescape", b"A message must be Unicode text")],
)
def test_bytes_that_are_no_text_are_refused(tiny_chat, handling, complaint):
    environment = {**os.environ, "PYTHONIOENCODING": f"utf-8:{handling}"}
    ran = subprocess.run(
        [*COMMAND, tiny_chat], input=b"hello\n\xff\xfe\n", capture_output=True, timeout=120, env=environment
    )
    assert ran.returncode == 1
    assert complaint in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_a_reply_stays_on_its_line_and_cannot_steer_the_terminal(capsys):
    say(Reply("one\ntwo\x1b[2J\u2028three …", 0.0, "eos", 4, 9, 0, 0, 0, 0.1))
    assert capsys.readouterr().out == "one two [2J three …\n"


def test_closed_standard_input_is_no_conversation(tiny_chat):
    line = " ".join(map(shlex.quote, (*COMMAND, str(tiny_chat)))) + " <&-"
    ran = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "Traceback" not in ran.stderr


def test_a_closed_pipe_is_no_traceback(tiny_chat):
    running = subprocess.Popen(
        [*COMMAND, tiny_chat], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    running.stdout.close()
    _, err = running.communicate("hello\nhello\n", timeout=120)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert running.returncode == 1


AT_A_TERMINAL = """
import fcntl, os, signal, sys, termios

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the terminal whose Ctrl-C comes, and lets it, which a shell's background jobs ignore. In a
program of its own, for a `preexec_fn` would fork a process that may have the threads of JAX."""


@pytest.mark.parametrize(("key", "code"), [("\x04", 0), ("\x03", 130)], ids=["ctrl-d", "ctrl-c"])
def test_keys_that_leave_a_terminal_leave_it_cleanly(tiny_chat, key, code):
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, *COMMAND, tiny_chat],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    os.close(theirs)
    while "leaves" not in running.stderr.readline():  # the prompt follows
        assert running.poll() is None
    os.write(ours, key.encode())
    out, err = running.communicate(timeout=120)
    os.close(ours)
    assert (running.returncode, out) == (code, "")
    assert "Traceback" not in err
