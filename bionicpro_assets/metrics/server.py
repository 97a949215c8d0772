"""Metrics over HTTP."""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

from bionicpro_assets.errors import PlatformError

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class MetricsServer:
    """Answers `/metrics`, and `/healthz` without reading any source; nothing else.

    Args:
        registry: What is shown.
        host: Where to listen.
        port: On which port; 0 is any that is free.

    Raises:
        PlatformError: The port can't be listened on.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        metrics: Application = make_wsgi_app(registry)

        def application(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
            match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
                case "GET" | "HEAD", "/metrics":
                    return metrics(environ, start)
                case "GET" | "HEAD", "/healthz":
                    return _plain(start, "200 OK", "alive")
                case "GET" | "HEAD", _:
                    return _plain(start, "404 Not Found", "There is /metrics, and /healthz.")
                case _:
                    return _plain(start, "405 Method Not Allowed", "Only reading.")

        try:
            self._server = make_server(host, port, application, ThreadingWSGIServer, handler_class=_Silent)
        except OSError as error:
            raise PlatformError(f"{host}:{port} can't be listened on: {error.strerror}. Name another --port.") from None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def serve(self) -> None:
        """Answer until `close` is called from another thread."""
        self._server.serve_forever()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Silent(WSGIRequestHandler):
    """One scrape every 15 seconds is no news."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        pass


def _plain(start: StartResponse, status: str, text: str) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")])
    return [f"{text}\n".encode()]
