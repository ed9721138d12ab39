"""A reserved port stays ours until the moment a server takes it."""

import random
import socket

HOST = "127.0.0.1"
# Below the ephemeral range, so that no outgoing connection takes a port between a server's stop and restart.
LOWEST, HIGHEST = 15_000, 32_000

_held: dict[int, socket.socket] = {}


def reserve() -> int:
    """A free TCP port of 127.0.0.1, held until `release`. Raises OSError when none is found."""
    for port in random.sample(range(LOWEST, HIGHEST), 200):
        holder = socket.socket()
        try:
            holder.bind((HOST, port))
        except OSError:
            holder.close()
            continue
        _held[port] = holder
        return port
    raise OSError(f"no free port on {HOST} between {LOWEST} and {HIGHEST}")


def release(port: int) -> None:
    """Lets a server bind the port; does nothing for a port that is not held."""
    if holder := _held.pop(port, None):
        holder.close()
