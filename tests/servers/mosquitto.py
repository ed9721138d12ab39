"""A private Mosquitto runs the configuration it is given; only its addresses and files are moved."""

import base64
import hashlib
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.servers import find, ports
from tests.servers.server import NotStarted, Server, exchange

# Settings whose value is a file that stands in, or is written to, the broker's folder.
FILES = frozenset(
    {"password_file", "acl_file", "cafile", "certfile", "keyfile", "crlfile", "psk_file", "dhparamfile"}
)
# Settings that are ours to make: who runs the broker, and what we read of it.
OURS = frozenset(
    {"user", "pid_file", "log_dest", "log_timestamp", "socket_domain", "bind_interface", "bind_address"}
)
RELOADED = "Reloading config."
RELOAD_SECONDS = 10.0
# MQTT 3.1.1 CONNECT without a client id, a user name or a password; any CONNACK will do (clauses 3.1, 3.2).
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00"
CONNACK = b"\x20"

PLAIN = """\
listener 1883
allow_anonymous false
password_file passwords
acl_file acl
"""


class Mosquitto(Server):
    """`with Mosquitto(folder, config) as broker:` gives an MQTT broker at `broker.port`.

    `config` is the text of a mosquitto.conf. Each `listener` in it gets a free port on 127.0.0.1, or the
    one that `at` has for it; `ports` maps written to real ones; `port` is the first. Files it names are
    looked for in `folder` by their last part: put certificates there first. `users` (name to password) and
    `acl` fill the password and the access file; left out, a file that stands there is used, an absent one
    is made empty.
    Raises ValueError for a configuration without a listener.
    """

    name = "mosquitto"

    def __init__(
        self,
        folder: Path,
        config: str = PLAIN,
        *,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        at: Mapping[int, int] | None = None,
    ) -> None:
        self.ports = _real_ports(config, at or {})
        super().__init__(folder, next(iter(self.ports.values())))
        self.pid_file = folder / "mosquitto.pid"
        self._config = folder / "mosquitto.conf"
        self._files: dict[str, Path] = {}
        self._lines = [*self._moved(config), *self._added()]
        self._contents = {
            "password_file": None if users is None else password_lines(users),
            "acl_file": acl,
        }

    @property
    def password_file(self) -> Path:
        """The password file that the configuration names. Raises KeyError when it names none."""
        return self._files["password_file"]

    @property
    def acl_file(self) -> Path:
        """The access file that the configuration names. Raises KeyError when it names none."""
        return self._files["acl_file"]

    def prepare(self) -> None:
        self._config.write_text("\n".join([*self._lines, ""]))
        for setting, content in self._contents.items():
            if content is not None:
                self._files[setting].write_text(content)
            elif setting in self._files:
                self._files[setting].touch()

    def command(self) -> list[str]:
        for port in self.ports.values():
            ports.release(port)
        return [str(find.mosquitto()), "-c", str(self._config)]

    def answers(self) -> bool:
        if "certfile" in self._files:
            return exchange(self.port, b"\0", 1) is not None
        return exchange(self.port, CONNECT, 1) == CONNACK

    def reload(self) -> None:
        """Makes the broker read passwords and access again (SIGHUP). Raises NotStarted if it does not."""
        before = self.log_text().count(RELOADED)
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + RELOAD_SECONDS
        while self.log_text().count(RELOADED) == before:
            if time.monotonic() > deadline:
                raise NotStarted(self._trouble("did not reload"))
            time.sleep(0.01)

    def close(self) -> None:
        super().close()
        for port in self.ports.values():
            ports.release(port)

    def _moved(self, config: str) -> Iterator[str]:
        for line in config.splitlines():
            setting, _, value = line.strip().partition(" ")
            if setting == "listener":
                yield f"listener {self.ports[_written_port(value)]} {ports.HOST}"
            elif setting in FILES:
                self._files[setting] = self.folder / Path(value.strip()).name
                yield f"{setting} {self._files[setting]}"
            elif setting not in OURS:
                yield line

    def _added(self) -> Iterator[str]:
        yield f"pid_file {self.pid_file}"
        # Standard output would be buffered, and `reload` waits for what is said.
        yield "log_dest stderr"
        yield from (f"log_type {kind}" for kind in ("error", "warning", "notice", "information"))
        # As root, Mosquitto would become a user who may not read its folder.
        if os.geteuid() == 0:
            yield "user root"


def _real_ports(config: str, at: Mapping[int, int]) -> dict[int, int]:
    lines = (line.strip().partition(" ") for line in config.splitlines())
    written = [_written_port(value) for setting, _, value in lines if setting == "listener"]
    if not written:
        raise ValueError("the configuration needs a `listener PORT`")
    return {port: at.get(port) or ports.reserve() for port in written}


def _written_port(value: str) -> int:
    return int(value.split(maxsplit=1)[0])


def password_lines(users: Mapping[str, str]) -> str:
    """A password file for these users, in Mosquitto's `$7$` form (PBKDF2 with SHA-512)."""
    return "".join(f"{name}:{_hashed(password)}\n" for name, password in users.items())


def _hashed(password: str) -> str:
    rounds, salt = 101, secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
