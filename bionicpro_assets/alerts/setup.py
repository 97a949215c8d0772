"""From settings to channels."""

from pydantic import SecretStr

from bionicpro_assets.alerts.addresses import email_addresses, smtp_server
from bionicpro_assets.alerts.channels import Channel
from bionicpro_assets.alerts.mail import EmailChannel
from bionicpro_assets.alerts.text import secrets_of
from bionicpro_assets.alerts.webhook import WebhookChannel
from bionicpro_assets.settings import Settings


def channels_of(settings: Settings) -> list[Channel]:
    """The channels that the settings name; none, if they name none. Connects to nothing."""
    channels: list[Channel] = []
    if settings.alert_email_to and settings.alert_email_from:
        server = smtp_server(settings.secret("BIONICPRO_SMTP_URL"))
        channels.append(EmailChannel(server, settings.alert_email_from, email_addresses(settings.alert_email_to)))
    if settings.alert_webhook_url:
        channels.append(WebhookChannel(settings.secret("BIONICPRO_ALERT_WEBHOOK_URL")))
    return channels


def secrets_in(settings: Settings) -> frozenset[str]:
    """What no message may hold: the secret settings, and the passwords in them."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return secrets_of(value.get_secret_value() for value in values if isinstance(value, SecretStr))
