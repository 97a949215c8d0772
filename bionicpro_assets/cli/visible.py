"""Text of others on a terminal: a chip's name or a server's message may hold what commands it."""

# What would move the cursor or colour the rest of the screen is shown as its picture.
_PICTURES = (
    {n: 0x2400 + n for n in range(32) if chr(n) != "\n"} | {127: 0x2421} | dict.fromkeys(range(128, 160), 0xFFFD)
)


def visible(text: str) -> str:
    """The text without control characters, but for ends of lines."""
    return text.translate(_PICTURES)
