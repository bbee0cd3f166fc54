"""What writing ahead saves: passes of the model and CPU time beside plain greedy search, for the very same ids.

    python benchmarks/assisted.py --shape bart-base --source 400 --new 60 --copied 0.85

No weights that copy can be had offline, so a processor makes the model write a given text: spans of the source, with
other tokens between them, `--copied` of all. The passes are those of the full model over random weights. The assistant
is a copy of it with fewer decoder layers that is told the text, with one token in ten wrong. All run in turn, so that a
busy machine slows all; times are medians.
"""

import argparse
import statistics
import time
from typing import Any

import torch

from bartleby.backends.pytorch.decoding.assisted import Proposal
from bartleby.backends.pytorch.decoding.drafts import LookupDraft, ModelDraft
from bartleby.backends.pytorch.models import BartForConditionalGeneration
from bartleby.family.config import BartConfig
from bartleby.generation.config import GenerationConfig

SHAPES = {
    "bart-base": BartConfig(d_model=768, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=3072, decoder_ffn_dim=3072,
                            encoder_attention_heads=12, decoder_attention_heads=12),
    "bart-large": BartConfig(),
}  # fmt: skip


def summary_of(source: torch.Tensor, length: int, copied: float, vocabulary: int) -> torch.Tensor:
    """Spans of about ten tokens from the source, with single other tokens between them."""
    tokens: list[int] = []
    while len(tokens) < length:
        first = int(torch.randint(0, len(source) - 10, ()))
        tokens += source[first : first + 10].tolist()
        tokens += torch.randint(4, vocabulary, (round(10 / copied - 10),)).tolist()
    return torch.tensor(tokens[:length])


class Script:
    """A processor that lets only the next token of a text be chosen."""

    def __init__(self, text: torch.Tensor) -> None:
        self.text = text

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        place = ids.shape[1] - 1
        return scores.index_add(1, self.text[place, None], torch.full((len(scores), 1), 1e6))


class Counter:
    """How many tokens were proposed and how many of those accepted."""

    proposed = accepted = 0

    def count(self, learn: Any) -> Any:
        def counted(draft: Any, proposed: int, accepted: int) -> None:
            self.proposed, self.accepted = self.proposed + proposed, self.accepted + accepted
            learn(draft, proposed, accepted)

        return counted


def helped_by_a_smaller_model(model: Any, layers: int) -> Any:
    fields = {name: getattr(model.config, name) for name in model.config.arguments if name != "num_labels"}
    helper = BartForConditionalGeneration(BartConfig(**fields | {"decoder_layers": layers, "encoder_layers": 1})).eval()
    helper.model.encoder = model.model.encoder  # the states are computed once, for both
    helper.generation_config = GenerationConfig(num_assistant_tokens_schedule="constant")
    return helper


def scripted(propose: Any, text: torch.Tensor) -> Any:
    """The draft computes what it would say; said is the text, with one token in ten wrong."""

    def proposing(draft: Any, ids: torch.Tensor, most: int) -> Proposal:
        own, place = propose(draft, ids, most), ids.shape[1] - 1
        said = text[place : place + len(own.tokens)].clone()
        said[torch.arange(place, place + len(said)) % 10 == 9] = 3
        return Proposal(said)

    return proposing


parser = argparse.ArgumentParser()
parser.add_argument("--shape", choices=SHAPES, default="bart-base")
parser.add_argument("--source", type=int, default=400)
parser.add_argument("--new", type=int, default=60)
parser.add_argument("--copied", type=float, default=0.85)
parser.add_argument("--lookup", type=int, default=10)
parser.add_argument("--layers", type=int, default=1)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--threads", type=int, default=1)
arguments = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(arguments.threads)
config = SHAPES[arguments.shape]
model = BartForConditionalGeneration(config).eval()
model.generation_config = GenerationConfig()
ids = torch.randint(4, config.vocab_size, (1, arguments.source))
text = summary_of(ids[0], arguments.new, arguments.copied, config.vocab_size)
options: dict[str, Any] = {
    "max_new_tokens": arguments.new,
    "pad_token_id": config.pad_token_id,
    "eos_token_id": config.eos_token_id,
    "decoder_start_token_id": config.decoder_start_token_id,
    "logits_processor": [Script(text)],
    "attention_mask": torch.ones_like(ids),
}
helper = helped_by_a_smaller_model(model, arguments.layers)
ways: dict[str, dict[str, Any]] = {
    "greedy": {},
    f"prompt lookup, {arguments.lookup} tokens": {"prompt_lookup_num_tokens": arguments.lookup},
    f"assistant, {arguments.layers} of {config.decoder_layers} layers": {"assistant_model": helper},
}
passes = [0]
model.get_decoder().register_forward_pre_hook(lambda *_: passes.__setitem__(0, passes[0] + 1))
ModelDraft.propose = scripted(ModelDraft.propose, text)  # type: ignore[method-assign]
learners = {kind: kind.learn for kind in (LookupDraft, ModelDraft)}
times: dict[str, list[float]] = {name: [] for name in ways}
facts: dict[str, tuple[int, Counter]] = {}
for repeat in range(arguments.repeats + 1):
    for name, way in ways.items():
        passes[0], counter = 0, Counter()
        for kind, learn in learners.items():
            kind.learn = counter.count(learn)  # type: ignore[attr-defined]
        start = time.process_time()
        output = model.generate(ids, **options, **way)
        if output[0, 1:].tolist() != text.tolist():
            print(f"{name}: the ids differ")
        if repeat:  # the first warms up
            times[name].append(time.process_time() - start)
        facts[name] = passes[0], counter
print(f"{arguments.shape}, source {arguments.source}, written {arguments.new}, copied {arguments.copied:.0%}")
for name, measured in times.items():
    count, counter = facts[name]
    ratio = statistics.median(plain / own for plain, own in zip(times["greedy"], measured, strict=True))
    share = f", accepted {counter.accepted} of {counter.proposed} proposed" if counter.proposed else ""
    print(f"{name:32} {count:4} passes, {statistics.median(measured):6.2f} s CPU, {ratio:.2f} x as fast{share}")
