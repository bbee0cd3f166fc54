"""A short chat with the model shipped inside the package: what `make demo` runs."""

from bartleby import Chat

MESSAGES = (
    "Hello! How are you today?",
    "Do you have any pets?",
    "What do you like to do on weekends?",
)

chat = Chat.load()
for message in MESSAGES:
    print(f"     you: {message}")
    print(f"bartleby: {chat.reply(message)}", flush=True)
