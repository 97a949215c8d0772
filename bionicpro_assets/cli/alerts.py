"""`bionicpro alerts`."""

import socket
import uuid
from datetime import datetime

from bionicpro_assets.alerts import text
from bionicpro_assets.alerts.channels import DeliveryError
from bionicpro_assets.alerts.problem import Message
from bionicpro_assets.alerts.setup import channels_of
from bionicpro_assets.cli.console import console
from bionicpro_assets.errors import AnswerError, PlatformError
from bionicpro_assets.settings import Settings


def run_alerts_test(now: datetime) -> None:
    """Send a test message through every channel, and say what became of it.

    Raises:
        PlatformError: No channel is configured.
        AnswerError: A channel didn't take the message.
    """
    settings = Settings.load()
    channels = channels_of(settings)
    if not channels:
        raise PlatformError(
            "Nobody would be told: set BIONICPRO_ALERT_WEBHOOK_URL, or BIONICPRO_ALERT_EMAIL_TO with "
            "BIONICPRO_ALERT_EMAIL_FROM and BIONICPRO_SMTP_URL."
        )
    message = Message(
        id=uuid.uuid4().hex,
        subject=text.subject("Test: alerts arrive here"),
        body=f"Sent by bionicpro alerts test on {socket.gethostname()}, {text.instant(now)}. Nothing is wrong.\n"
        + (f"{settings.ui_url}\n" if settings.ui_url else ""),
    )
    failed = []
    for channel in channels:
        try:
            remark = channel.send(message)
        except DeliveryError as error:
            remark = str(error)
        if remark:
            failed.append(f"{channel.name}: {remark}")
        else:
            console.print(f"{channel.name}: sent.")
    if failed:
        raise AnswerError("\n".join(failed))
