"""A conversation as one text: Jinja templates, rendered in a sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

from bartleby.errors import TokenizerError, need_extra, raise_all
from bartleby.tokenization.calling import Calling
from bartleby.tokenization.template_limits import bounded_filter, limited_environment, new_budget, refuse_above

Conversation = Sequence[Mapping[str, Any]]
NO_MARKS = "`{}` must be False: no template of this family marks what it needs."


class ChatTemplates(Calling):
    """The chat door of a tokenizer."""

    chat_template: str | dict[str, str] | None
    default_chat_template: ClassVar[str | None] = None

    def apply_chat_template(
        self,
        conversation: Any,
        tools: Sequence[Mapping[str, Any]] | None = None,
        documents: Sequence[Mapping[str, Any]] | None = None,
        chat_template: str | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = True,
        padding: bool | str = False,
        truncation: bool = False,
        max_length: int | None = None,
        return_tensors: Any = None,
        return_dict: bool = True,
        return_assistant_tokens_mask: bool = False,
        sanitize_control_tokens: bool = False,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """The text of a conversation (`tokenize=False`), its ids (`return_dict=False`), or its encoding.

        A conversation is a list of {"role": …, "content": …}; a list of conversations gives a batch. The special tokens
        are those the template writes; no others are added. `kwargs` are variables of the template.
        Raises: TokenizerError without a template, for an empty conversation, and for a template that fails.
        """
        asked = {
            "return_assistant_tokens_mask": return_assistant_tokens_mask,
            "sanitize_control_tokens": sanitize_control_tokens,
        }
        raise_all(
            TokenizerError, [NO_MARKS.format(name) for name, wanted in asked.items() if wanted], "A chat template"
        )
        template = self.get_chat_template(chat_template, tools)
        if not isinstance(conversation, list | tuple):
            raise TokenizerError(f"`conversation` must be a list of messages, but is {conversation!r:.100}.")
        batched = bool(conversation) and not isinstance(conversation[0], Mapping)
        variables = {**self.special_tokens_map, **kwargs, "tools": tools, "documents": documents}
        variables["add_generation_prompt"] = add_generation_prompt
        if continue_final_message and add_generation_prompt:
            raise TokenizerError("Give `continue_final_message` or `add_generation_prompt`, not both.")
        texts = [render(template, chat, variables) for chat in (conversation if batched else [conversation])]
        if continue_final_message:
            chats = conversation if batched else [conversation]
            texts = [until_final_message(text, chat) for text, chat in zip(texts, chats, strict=True)]
        if not tokenize:
            return texts if batched else texts[0]
        encoded = self(
            texts if batched else texts[0],
            add_special_tokens=False,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            return_tensors=return_tensors,
            **(tokenizer_kwargs or {}),
        )
        return encoded if return_dict else encoded["input_ids"]

    def encode_message_with_chat_template(
        self, message: Mapping[str, Any], conversation_history: Conversation | None = None, **kwargs: Any
    ) -> list[int]:
        """The ids one more message adds to a conversation; only templates that leave earlier messages as they are."""
        history = list(conversation_history or [])
        whole: list[int] = self.apply_chat_template([*history, message], return_dict=False, **kwargs)
        before: list[int] = self.apply_chat_template(history, return_dict=False, **kwargs) if history else []
        shared = next(
            (place for place, (old, new) in enumerate(zip(before, whole, strict=False)) if old != new), len(before)
        )
        return whole[shared:]

    def get_chat_template(
        self, chat_template: str | None = None, tools: Sequence[Mapping[str, Any]] | None = None
    ) -> str:
        """The template a conversation is rendered with: the argument (or one it names), the tokenizer's, the class's.

        Raises: TokenizerError when there is none.
        """
        own = self.chat_template
        if isinstance(own, Mapping):
            name = chat_template or ("tool_use" if tools and "tool_use" in own else "default")
            if name in own:
                return str(own[name])
            if chat_template is None:
                raise TokenizerError(f"Give `chat_template` a name of this tokenizer's templates: {', '.join(own)}.")
        found = chat_template or (own if isinstance(own, str) else None) or self.default_chat_template
        if found is None:
            raise TokenizerError(
                f"{type(self).__name__} has no chat template. Pass `chat_template`, or set tokenizer.chat_template."
            )
        return found


def render(template: str, conversation: Conversation, variables: Mapping[str, Any]) -> str:
    """The text of one conversation.

    Raises: TokenizerError when the conversation is empty or malformed, or the template refuses it.
    """
    need_extra("templates", "Rendering a chat template")
    if not conversation:
        raise TokenizerError(f"`conversation` must be a list of at least one message, but is {conversation!r:.100}.")
    wrong = [number for number, turn in enumerate(conversation) if not isinstance(turn, Mapping) or "role" not in turn]
    if wrong:
        raise TokenizerError(f"Messages {wrong} of the conversation are not mappings with 'role' and 'content'.")
    messages = [{key: value for key, value in turn.items() if value is not None} for turn in conversation]
    try:
        with new_budget():
            return whole_text(compiled(template).generate(messages=messages, **variables))
    except Exception as error:  # its expressions may raise anything: TypeError, ZeroDivisionError, MemoryError …
        raise TokenizerError(f"The chat template failed: {error or type(error).__name__}.") from error


def whole_text(pieces: Iterable[str]) -> str:
    """The pieces that a template writes, as one text.

    Raises: TokenizerError as soon as they are too many.
    """
    texts, size = [], 0
    for piece in pieces:
        size += len(piece)
        refuse_above(size)
        texts.append(piece)
    return "".join(texts)


@lru_cache(maxsize=32)
def compiled(template: str) -> Any:
    """The template in a sandbox that can change nothing outside itself, and ends."""
    import jinja2

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment = limited_environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = bounded_filter("tojson", tojson)  # Jinja's own escapes for HTML
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    return environment.from_string(template)


def until_final_message(text: str, conversation: Conversation) -> str:
    """The text up to the end of the last message, so that the model goes on with it.

    Raises: TokenizerError when that message is no text, or the template changed it.
    """
    content = conversation[-1].get("content")
    if not isinstance(content, str):
        raise TokenizerError("`continue_final_message` needs a last message whose 'content' is a text.")
    final = content.strip()
    start = text.rfind(final)
    if start < 0:
        raise TokenizerError("`continue_final_message` needs a template that writes the last message as it is.")
    return text[: start + len(final)]
