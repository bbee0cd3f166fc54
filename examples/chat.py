"""A short chat with the model shipped inside the package: what `make demo` runs."""

from bartleby import Chat

MESSAGES = (
    "Hi, how are you?",
    "Do you like Star Wars?",
    "Which one is the best?",
    "Who is your favorite character?",
)

chat = Chat.load()
for message in MESSAGES:
    print(f"     you: {message}")
    print(f"bartleby: {chat.reply(message)}", flush=True)
