"""The web part of `standalone`: waitress, whose own refusals read like ours."""

from __future__ import annotations

import json
from typing import Any

from django.core.wsgi import get_wsgi_application
from waitress import create_server
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from tenants.answers import body
from tenants.errors import Refusal

THREADS = 8
BODY_MOST = 2 * 1024 * 1024
HEADERS_MOST = 32 * 1024
"""Bytes before a body: the longest honest ones, a token and a full query, have a fifth of that."""

BODY_IN_MEMORY = 64 * 1024
"""Bytes of a body that is still coming in; the rest waits in a file."""

CONNECTIONS_MOST = 400
"""Open at once. The MQTT broker lives in the same process, with 1,024 files as a rule: some stay for it."""

IDLE_SECONDS, LOOK_SECONDS = 20, 5
"""A connection on which nothing comes is closed after so long, which is looked for every so often."""

CODES = {413: "TOO_LARGE", 500: "INTERNAL"}


class _Told(ErrorTask):  # type: ignore[misc]
    """A request that waitress refuses before Django sees it, in the shape of every other error."""

    def execute(self) -> None:
        error = self.request.error
        code = CODES.get(error.code, "INVALID")
        told = body(Refusal(code, f"The server refused the request ({error.reason}): {error.body}."))
        answer = json.dumps(told).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(answer)
        self.write(answer)


class _Channel(HTTPChannel):  # type: ignore[misc]
    error_task_class = _Told


def server(host: str, port: int) -> Any:
    """A server that listens, and serves once its `run` is called. Raises `OSError` where the address is taken."""
    made = create_server(
        get_wsgi_application(),
        host=host,
        port=port,
        threads=THREADS,
        ident="",
        max_request_body_size=BODY_MOST,
        max_request_header_size=HEADERS_MOST,
        inbuf_overflow=BODY_IN_MEMORY,
        connection_limit=CONNECTIONS_MOST,
        channel_timeout=IDLE_SECONDS,
        cleanup_interval=LOOK_SECONDS,
        asyncore_use_poll=True,
    )
    made.channel_class = _Channel
    return made
