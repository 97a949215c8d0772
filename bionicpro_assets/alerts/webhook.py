"""The webhook: one message posted as JSON, or a sentence why not."""

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from bionicpro_assets.alerts.channels import SECONDS, DeliveryError
from bionicpro_assets.alerts.problem import Message


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would become a GET of something else, and look like a success."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """A URL that takes `{"text": …}`: Slack's incoming webhooks, Mattermost's, Rocket.Chat's and others'."""

    url: str = field(repr=False)
    seconds: float = SECONDS
    name: str = "webhook"

    def send(self, message: Message) -> str:
        """Post the message."""
        parts = urlsplit(self.url)
        # The rest of the URL is what lets one post there, so only its beginning may be shown.
        where = f"The webhook {parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        request = urllib.request.Request(  # noqa: S310 - the settings let http and https through, nothing else
            self.url,
            data=json.dumps({"text": _slack(f"*{message.subject}*\n{message.body}".rstrip())}).encode(),
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "bionicpro_assets"},
            method="POST",
        )
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=self.seconds):
                return ""
        except urllib.error.HTTPError as error:
            error.close()
            raise _http_in_words(where, error.code) from None
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise DeliveryError(_unreachable(where, reason)) from None


def _slack(text: str) -> str:
    """Slack reads these three characters as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _http_in_words(where: str, status: int) -> DeliveryError:
    if status in (401, 403, 404, 410):
        return DeliveryError(
            f"{where} doesn't know this address any more ({status}). Check BIONICPRO_ALERT_WEBHOOK_URL."
        )
    if 300 <= status < 400:
        return DeliveryError(f"{where} redirects ({status}). Put the final address into BIONICPRO_ALERT_WEBHOOK_URL.")
    return DeliveryError(f"{where} answers {status}.", refused=status in (400, 413, 422))


def _unreachable(where: str, reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"{where}: its certificate isn't trusted ({reason.verify_message})."
    if isinstance(reason, TimeoutError):
        return f"{where} didn't answer in time."
    told = reason.strerror if isinstance(reason, OSError) else None
    return f"{where} can't be reached: {told or type(reason).__name__}."
