"""What a way out for messages is. `mail.py` and `webhook.py` are the two there are."""

from typing import Protocol

from bionicpro_assets.alerts.problem import Message
from bionicpro_assets.errors import PlatformError

# A tick of a sensor has a minute; two channels that hang must leave time for the rest.
SECONDS = 15.0


class DeliveryError(PlatformError):
    """A message couldn't be handed over.

    Attributes:
        refused: It is this message that is refused, while the next one may be taken.
    """

    retryable = True

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Channel(Protocol):
    """A way out.

    Attributes:
        name: Short and stable: what is still to be sent where is kept under it.
    """

    @property
    def name(self) -> str:
        """Short and stable."""
        ...

    def send(self, message: Message) -> str:
        """Hand the message over; returns what a person should know of it all the same, mostly nothing.

        Raises:
            DeliveryError: It wasn't taken.
        """
        ...
