"""Text to ids and back: the tokenizers of the three models.

`encoding` is what a tokenizer answers; `base` is every tokenizer, put together from `special_tokens`, `calling` (in),
`decoding` (out), `chat_template` and `saving`; `byte_level` and `blenderbot_small` are the models' own.
"""
