"""Run in the daemon's container: prints what its launcher asks of Docker for the latest run."""

import base64
import contextlib
import importlib
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

docker: Any = importlib.import_module("docker")


class Docker(BaseHTTPRequestHandler):
    """Knows its version, prints what it is asked, and does nothing."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ApiVersion": "1.45"}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(base64.b64encode(body).decode(), flush=True)  # noqa: T201
        self.send_response(500)
        self.end_headers()


def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Docker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["DOCKER_HOST"] = f"tcp://127.0.0.1:{server.server_port}"
    os.environ["DAGSTER_POSTGRES_PASSWORD"] = Path(os.environ["DAGSTER_POSTGRES_PASSWORD_FILE"]).read_text().strip()
    workspace = WorkspaceFileTarget(["/app/docker/workspace.yaml"])
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, workspace) as process:
        (run,) = instance.get_runs(limit=1)
        code: Any = process.create_request_context().get_code_location("bionicpro_assets")
        (pointer,) = code.repository_code_pointer_dict.values()
        python = RepositoryPythonOrigin(
            code.executable_path, pointer, code.container_image, code.entry_point, code.container_context
        )
        context: Any = SimpleNamespace(dagster_run=run, job_code_origin=JobPythonOrigin(run.job_name, python))
        with contextlib.suppress(docker.errors.APIError):
            instance.run_launcher.launch_run(context)


if __name__ == "__main__":
    main()
