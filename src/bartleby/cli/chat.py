"""`bartleby chat`: talk to a model at the terminal, or through a pipe, one line a message."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from bartleby.errors import BartlebyError, DataError

if TYPE_CHECKING:
    from bartleby.tasks.chat import Chat, Reply

CONTROL = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")
"""Characters that would break the line or steer the terminal: a byte-level model can write any."""

HELP = "Ctrl-D or /quit leaves, /reset starts over."


def chat(
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A published or shipped name, or a folder.")
    ] = "bartleby-chat-mini",
    once: Annotated[str | None, typer.Option(metavar="TEXT", help="Say this, print the reply and leave.")] = None,
    persona: Annotated[list[str] | None, typer.Option(metavar="LINE", help="Who the model is; repeatable.")] = None,
    backend: Annotated[str, typer.Option(metavar="NAME", help="auto, pytorch, flax, tensorflow or plain.")] = "auto",
    num_beams: Annotated[int | None, typer.Option(metavar="N", help="How many beams search; 1: none.")] = None,
    min_new_tokens: Annotated[int | None, typer.Option(metavar="N", help="Shortest reply.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(metavar="N", help="Longest reply.")] = None,
    no_repeat_ngram_size: Annotated[
        int | None, typer.Option(metavar="N", help="No n tokens twice in a reply; 0: allowed.")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(metavar="X", help="Above 0 favours long replies of beams.")
    ] = None,
    do_sample: Annotated[bool | None, typer.Option("--do-sample/--no-do-sample", help="Draw the tokens.")] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="X", help="Below 1 draws likely tokens more often.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(metavar="N", help="Draw from the k likeliest tokens; 0: from all.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(metavar="X", help="Draw from the likeliest that hold this probability.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Draw the same again.")] = None,
) -> None:
    """Talk to a model. Without a terminal, every line of standard input is a message and gets one line of answer.

    Decoding options that are not given are the checkpoint's own.
    """
    from bartleby.tasks.chat import Chat

    options = {
        "num_beams": num_beams,
        "min_new_tokens": min_new_tokens,
        "max_new_tokens": max_new_tokens,
        "no_repeat_ngram_size": no_repeat_ngram_size,
        "length_penalty": length_penalty,
        "do_sample": do_sample,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
    }
    given = {name: value for name, value in options.items() if value is not None}
    talk = Chat.load(model, backend=backend, personas=persona or (), **given)
    sight = f"; it sees the last {talk.layout.turns_kept} turns" if talk.layout.turns_kept else ""
    note(f"{model}, run by the {talk.backend.name} backend{sight}")
    if once is not None:
        say(talk.reply(once, seed))
    elif sys.stdin is not None and sys.stdin.isatty():
        converse(talk, seed)
    else:
        for message in messages():
            say(talk.reply(message, seed))


def converse(talk: Chat, seed: int | None) -> None:
    """Read messages at the terminal until the user leaves; what the library refuses is told, and the chat goes on."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    note(HELP)
    while True:
        try:
            message = console.input("[bold]>[/] ").strip()
        except EOFError:
            return note("")
        if message == "/quit":
            return None
        if message == "/reset":
            talk.reset()
            note("The conversation starts over.")
        elif message.startswith("/"):
            note(f"There is no command {message.split()[0]}. {HELP}")
        elif message:
            try:
                with console.status("…"):
                    reply = talk.reply(message, seed)
                say(reply)
            except BartlebyError as error:
                note(str(error))


def messages() -> Iterator[str]:
    """The lines of standard input.

    Raises: DataError if one has no text, or the bytes are not UTF-8.
    """
    try:
        for number, line in enumerate(sys.stdin or (), start=1):  # None when it is closed
            if not line.strip():
                raise DataError(f"Line {number} of standard input must be a message, but has no text. Leave it out.")
            yield line
    except UnicodeDecodeError as error:
        raise DataError(f"Standard input must be {error.encoding} text, but is not: {error.reason}.") from None


def say(reply: Reply) -> None:
    """The reply on one line of stdout, and what there is to tell about it on stderr."""
    if reply.dropped_turns:
        note(f"The {reply.dropped_turns} oldest turns ({reply.dropped_tokens} tokens) no longer fit and were not seen.")
    if reply.finish_reason != "eos":
        note(f"The reply was cut off at {reply.tokens} tokens ({reply.finish_reason}).")
    print(reply.text.translate(CONTROL), flush=True)


def note(text: str) -> None:
    print(text, file=sys.stderr)
