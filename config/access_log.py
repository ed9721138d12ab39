"""gunicorn's logs without what may be secret in an address: queries, referrers, a broker's token.

For `gunicorn --logger-class config.access_log.Logger`.
"""

from __future__ import annotations

import re
from typing import Any

from gunicorn import glogging

_TOKEN = re.compile(r"(/broker/rabbitmq/)[^/?]*")


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no types
    """Says who asked for which path, and how it was answered."""

    def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """At its most talkative gunicorn also logs each path by itself."""
        super().debug(msg, *(_shown(one) if isinstance(one, str) else one for one in args), **kwargs)

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> Any:
        """As gunicorn fills its `access_log_format`; the path is as it was sent, so that a line stays a line."""
        found = super().atoms(resp, req, environ, request_time)
        path = _shown(str(environ["RAW_URI"]))
        line = f"{environ['REQUEST_METHOD']} {path} {environ['SERVER_PROTOCOL']}"
        hidden = {name: "-" for name in found if name.startswith("{")}
        return {**found, **hidden, "U": path, "r": line, "q": "", "f": "-"}


def _shown(address: str) -> str:
    return _TOKEN.sub(r"\1-", address.partition("?")[0])
