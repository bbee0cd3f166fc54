"""Why an output is what it is: records of every choice, and the text that explains them.

Made by `tracing.Tracer`; read with `print(trace)`, or with words for ids: `print(trace.explain(tokenizer))`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bartleby.generation.beams import FinishReason
from bartleby.generation.provenance import Origin

FEW = 5
"""How many tokens are named one by one."""

Words = Callable[[int], str]
"""What a token is called."""

ENDS: dict[str, str] = {
    "eos": "an end token was written",
    "length": "no more room",
    "blocked": "the rules left no token to go on with",
    "stopped": "a stopping criterion said so",
}


@dataclass(frozen=True)
class Candidate:
    """One of the likeliest tokens."""

    token: int
    probability: float


@dataclass(frozen=True)
class Touch:
    """What a rule did to one token."""

    token: int
    rank: int
    """1 for the token the model itself found likeliest."""
    before: float | None
    """Its score when the rule came to it; None: impossible, or no number."""
    after: float | None


@dataclass(frozen=True)
class Effect:
    """What a rule did to the scores of one step."""

    setting: str
    """The option that asked for it, or the argument of `generate` it came in."""
    rule: str
    """The rule's class."""
    banned: int
    changed: int
    """How many tokens got another score and stayed possible, or became so."""
    possible: int
    """How many tokens were left."""
    touched: tuple[Touch, ...]
    """All tokens, where they are few; else those among the likeliest. Of a rule that leaves few: what it left."""

    @property
    def is_forced(self) -> bool:
        """Whether the rule left next to no choice."""
        return self.banned > 0 and self.possible <= FEW

    def explain(self, words: Words, vocabulary: int) -> str:
        if self.is_forced:
            ranks = ", ".join(f"{words(touch.token)} (rank {touch.rank} of {vocabulary})" for touch in self.touched)
            return f"forced {ranks}" if self.possible == 1 else f"left only {ranks or 'nothing'}"
        parts = []
        if self.banned:
            names = [f"{words(touch.token)} (rank {touch.rank})" for touch in self.touched if touch.after is None]
            parts.append(_some("banned", self.banned, names))
        if self.changed:
            both = [touch for touch in self.touched if touch.before is not None and touch.after is not None]
            names = [f"{words(t.token)} by {t.after - t.before:+.2f}" for t in both]  # type: ignore[operator]
            parts.append(_some("changed", self.changed, names))
        return ", ".join(parts)


def _some(verb: str, count: int, names: list[str]) -> str:
    """ "banned 3 tokens: a, b, c"; of many only those among the likeliest are named."""
    total = f"{verb} {_counted(count)}"
    if not names:
        return f"{total}, none of the likeliest"
    return f"{total}: {', '.join(names)}{', …' * (len(names) < count)}"


def _counted(tokens: int) -> str:
    return f"{tokens} token{'s' * (tokens != 1)}"


@dataclass(frozen=True)
class Step:
    """One written token and what led to it. Where it is not known any more how likely it was, that is None."""

    number: int
    """From 1, behind the prompt."""
    row: int
    """Of the step's batch: with beams, the beam that was gone on with."""
    token: int
    why: str
    """"only": nothing else was left; "best": of what was left; "drawn": by chance; "beam": among the best of all beams;
    "chosen": by a search that weighs more than this."""
    rank: int | None
    probability: float | None
    """What the model gave it."""
    probability_left: float | None
    """Its share of what the rules left."""
    before: tuple[Candidate, ...]
    """The likeliest tokens before the rules, and after."""
    effects: tuple[Effect, ...]
    after: tuple[Candidate, ...]

    def explain(self, words: Words, settings: Callable[[str], str], vocabulary: int) -> str:
        likely = "" if self.probability is None else f", {self.probability:.1%} before the rules"
        if self.probability_left is not None and not (self.probability and self._is_alike()):
            likely += f", {self.probability_left:.1%} after"
        line = f"step {self.number}: {words(self.token)} ({self.why}{likely})"
        for effect in self.effects:
            line += f"; {settings(effect.setting)} {effect.explain(words, vocabulary)}"
        if self.before and self.before[0].token != self.token:
            line += f"; the model's first choice was {words(self.before[0].token)} ({self.before[0].probability:.1%})"
        return line

    def _is_alike(self) -> bool:
        return abs((self.probability or 0) - (self.probability_left or 0)) < 5e-4


@dataclass(frozen=True)
class Bound:
    """A least or greatest length of the decoder side, and the setting that decides it."""

    length: int
    setting: str


@dataclass(frozen=True)
class OutputTrace:
    """How one output came to be."""

    source: int
    place: int
    """Among the outputs of its source, best first."""
    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    """What was written behind the prompt."""
    steps: tuple[Step, ...]
    reason: FinishReason


@dataclass(frozen=True)
class Trace:
    """How all outputs of a `generate` came to be."""

    outputs: tuple[OutputTrace, ...]
    least: Bound
    most: Bound
    start: str | None
    """The setting whose token begins every output; None where the caller's prompt does."""
    origins: Mapping[str, Origin]
    prompt_length: int
    """Of all prompts, which may begin with padding."""
    vocabulary: int

    def __str__(self) -> str:
        return self.explain()

    def explain(self, tokenizer: Any = None) -> str:
        """A line for each step; with a tokenizer tokens are called by their text, else by their id."""
        words = _words_of(tokenizer)
        return "\n".join(line for output in self.outputs for line in self._lines(output, words))

    def _lines(self, output: OutputTrace, words: Words) -> Iterator[str]:
        yield f"source {output.source}, output {output.place}: {_counted(len(output.ids))} written"
        padding = self.prompt_length - len(output.prompt)
        yield (
            f"  length: at least {self.least.length} ({self._whose(self.least.setting)}), "
            f"at most {self.most.length} ({self._whose(self.most.setting)}), prompt of {self.prompt_length} included"
            + (f", {padding} of it padding" if padding else "")
        )
        yield f"  start: {self._start(output, words)}"
        for setting in dict.fromkeys(effect.setting for step in output.steps for effect in step.effects):
            if setting in self.origins:
                yield f"  rule: {self._whose(setting)}"
        for step in output.steps:
            yield f"  {step.explain(words, self._named, self.vocabulary)}"
        yield f"  end: {self._end(output)}"

    def _start(self, output: OutputTrace, words: Words) -> str:
        given = output.prompt if self.start is None else output.prompt[1:]
        parts = [f"{' '.join(map(words, given))} is the caller's prompt"] if given else []
        if self.start is not None:
            first = words(output.prompt[0])
            parts.insert(0, f"{first}: {self._whose(self.start)} is what every output begins with")
        return ", then ".join(parts) or "no token: the prompt is vectors"

    def _end(self, output: OutputTrace) -> str:
        text = ENDS[output.reason]
        if output.reason == "length":
            return f"{text}: {self._whose(self.most.setting)}"
        forced = [effect for step in output.steps[-1:] for effect in step.effects if effect.is_forced]
        return f"{text}, forced by {self._named(forced[-1].setting)}" if output.reason == "eos" and forced else text

    def _named(self, setting: str) -> str:
        """ "no_repeat_ngram_size=3"."""
        origin = self.origins.get(setting)
        return setting if origin is None else f"{setting}={origin.value!r:.40}"

    def _whose(self, setting: str) -> str:
        """ "no_repeat_ngram_size=3 from the caller"."""
        origin = self.origins.get(setting)
        return f"{self._named(setting)} from {origin}" if origin is not None else setting

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain dictionaries, lists and numbers, for JSON; of the origins those that are not defaults."""
        fields = asdict(self)
        told = {self.least.setting, self.most.setting, self.start}
        fields["origins"] = {
            name: asdict(origin) for name, origin in self.origins.items() if origin.source != "default" or name in told
        }
        plain: dict[str, Any] = json.loads(json.dumps(fields, default=repr))
        return plain


def _words_of(tokenizer: Any) -> Words:
    if tokenizer is None:
        return lambda token: f"token {token}"

    def words(token: int) -> str:
        text = str(tokenizer.decode([token], clean_up_tokenization_spaces=False))
        return repr(str(tokenizer.convert_ids_to_tokens(token)) if "\ufffd" in text or not text else text)

    return words
