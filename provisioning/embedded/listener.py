"""The listening socket of the embedded broker, and where its connections get their file descriptors."""

import contextlib
import fcntl
import logging
import resource
import socket
from dataclasses import replace
from typing import Any

from provisioning.embedded.limits import Limits

logger = logging.getLogger(__name__)

# The web server and paho, in the same process, use select(), which ends at descriptor 1023 (FD_SETSIZE).
_LOW_FILES = 1024
# Descriptors for the rest of the process where there are no high ones.
_RESERVED_FILES = 256


class _ListeningSocket(socket.socket):
    """Gives accepted connections high descriptors, and leaves the low ones to who can use no others."""

    def accept(self) -> tuple[socket.socket, Any]:
        accepted, peer = super().accept()
        try:
            moved = fcntl.fcntl(accepted.fileno(), fcntl.F_DUPFD_CLOEXEC, _LOW_FILES)
        except OSError:
            return accepted, peer
        with accepted:
            return socket.socket(accepted.family, accepted.type, accepted.proto, fileno=moved), peer


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address, one of IPv4 where the host has several. Raises OSError."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listening = _ListeningSocket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening


def make_room(limits: Limits) -> Limits:
    """Let the process open as many files as there may be connections, or else allow fewer connections.

    Without room accept() fails over and over.
    """
    wanted = _LOW_FILES + limits.connections
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < wanted:
        files = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY or files >= wanted:
        return limits
    connections = min(limits.connections, max(files - _RESERVED_FILES, files // 2))
    if connections < limits.connections:
        logger.warning("at most %d MQTT connections, for at most %d files may be open", connections, files)
    return replace(limits, connections=connections)
