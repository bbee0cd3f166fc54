"""Teach the shipped chat model a few replies with Flax and optax, and hear them from PyTorch.

python examples/finetune_flax.py [FOLDER]
"""

import sys
from typing import Any

import jax
import optax

from bartleby import AutoTokenizer, BlenderbotForConditionalGeneration, FlaxBlenderbotForConditionalGeneration
from bartleby.backends.flax.models import shift_tokens_right

LINES = {
    "Who are you?": "I am Bartleby, and I would prefer not to.",
    "Can you check this letter for me?": "I would prefer not to.",
    "Where do you live?": "In an office on Wall Street, behind a green screen.",
    "What do you like to eat?": "Ginger nuts, and little else.",
}


def batch_of(lines: dict[str, str], tokenizer: Any, config: Any) -> dict[str, Any]:
    """Questions, and answers as labels and, one place to the right, as decoder inputs."""
    sources = tokenizer([f" {question}" for question in lines], padding=True, return_tensors="np")
    answers = tokenizer([f" {answer}" for answer in lines.values()], padding=True, return_tensors="np")
    inputs = shift_tokens_right(answers["input_ids"], config.pad_token_id, config.decoder_start_token_id)
    return {
        "input_ids": sources["input_ids"],
        "attention_mask": sources["attention_mask"],
        "decoder_input_ids": inputs,
        "labels": answers["input_ids"],
        "counts": answers["attention_mask"],
    }


def train(model: Any, batch: dict[str, Any], steps: int) -> list[float]:
    """Adam for so many steps; `model.params` becomes what was learnt."""
    optimizer = optax.adam(5e-4)

    def loss_of(params: Any, dropout_rng: jax.Array) -> jax.Array:
        asked = {name: batch[name] for name in ("input_ids", "attention_mask", "decoder_input_ids")}
        logits = model(**asked, params=params, dropout_rng=dropout_rng, train=True).logits
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["labels"])
        return (losses * batch["counts"]).sum() / batch["counts"].sum()

    @jax.jit
    def step(params: Any, state: Any, dropout_rng: jax.Array) -> tuple[Any, Any, jax.Array]:
        loss, gradients = jax.value_and_grad(loss_of)(params, dropout_rng)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, loss

    params, state, losses = model.params, optimizer.init(model.params), []
    for dropout_rng in jax.random.split(jax.random.key(0), steps):
        params, state, loss = step(params, state, dropout_rng)
        losses.append(float(loss))
    model.params = params
    return losses


def main(folder: str, name: str = "bartleby-chat-mini", steps: int = 25) -> list[float]:
    """Train, save, load the result in PyTorch, and print what it says; the loss of every step."""
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = FlaxBlenderbotForConditionalGeneration.from_pretrained(name)
    model.params = model.to_fp32(model.params)  # the file's halves are too coarse to learn in
    losses = train(model, batch_of(LINES, tokenizer, model.config), steps)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    loaded = BlenderbotForConditionalGeneration.from_pretrained(folder)
    for question in LINES:
        answer = loaded.generate(**tokenizer([f" {question}"], return_tensors="pt"))
        print(f"     you: {question}\nbartleby:{tokenizer.decode(answer[0], skip_special_tokens=True)}")
    return losses


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["finetuned-flax"]))
