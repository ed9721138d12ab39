"""Says by its exit code whether the process of this container serves. Standard library only.

    python docker/healthy.py http://127.0.0.1:8000/healthz     that address answers 200
    python docker/healthy.py 1884 6379                         there is a connection to each of these ports

The gateway, the workers and beat have no port of their own to ask; without their connections they do nothing.
"""  # noqa: INP001 - a program, not part of a package

import os
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

SECONDS = 4
ESTABLISHED = "01"  # of the kernel's `enum` of TCP states, in hexadecimal
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def main(arguments: list[str]) -> str:
    """What is wrong, empty if nothing is."""
    if not arguments:
        return "usage: healthy.py URL | PORT..."
    if arguments[0].startswith("http"):
        return _asked(arguments[0])
    missing = {int(port) for port in arguments} - _connected()
    return f"no connection to port {', '.join(map(str, sorted(missing)))}" if missing else ""


def _asked(url: str) -> str:
    # The web part answers only to the names that it was given, and 127.0.0.1 need not be one of them.
    name = os.environ.get("KEYSEED_ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    host = name if name not in ("", "*") else "localhost"
    try:
        with urlopen(Request(url, headers={"Host": host}), timeout=SECONDS) as answer:  # noqa: S310 - ours
            return "" if answer.status == 200 else f"{url} answered {answer.status}"
    except (URLError, OSError) as error:
        return f"{url}: {error}"


def _connected() -> set[int]:
    """The remote ports of the TCP connections that stand."""
    lines = [
        line.split() for table in TABLES if table.exists() for line in table.read_text().splitlines()[1:]
    ]
    return {int(fields[2].rpartition(":")[2], 16) for fields in lines if fields[3] == ESTABLISHED}


if __name__ == "__main__":
    if wrong := main(sys.argv[1:]):
        sys.exit(wrong)
