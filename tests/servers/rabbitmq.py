"""A private RabbitMQ that speaks MQTT and asks somebody else who may come in."""

import secrets
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from tests.servers import find, ports
from tests.servers.mosquitto import CONNACK, CONNECT
from tests.servers.server import Server, exchange

PLUGINS = ("rabbitmq_mqtt", "rabbitmq_management", "rabbitmq_auth_backend_http")
EPMD_NAMES = b"\x00\x01n"

ERL = """\
#!/bin/sh
export ROOTDIR="{home}" BINDIR="{programs}" EMU=beam PROGNAME=erl
exec "{programs}/erlexec" "$@"
"""
START = """\
#!/bin/sh
unset ERL_LIBS ERL_FLAGS
export HOME="{folder}" PATH="{folder}/bin:$PATH" ERL_EPMD_PORT={epmd} ERL_EPMD_ADDRESS={host}
export RABBITMQ_NODENAME={node}@localhost RABBITMQ_BASE="{folder}" RABBITMQ_MNESIA_BASE="{folder}/mnesia"
export RABBITMQ_LOG_BASE="{folder}/log" RABBITMQ_LOGS=- RABBITMQ_CONFIG_FILE="{folder}/rabbitmq.conf"
export RABBITMQ_ENABLED_PLUGINS_FILE="{folder}/plugins" RABBITMQ_CONF_ENV_FILE="{folder}/none"
export RABBITMQ_ADVANCED_CONFIG_FILE="{folder}/none" RABBITMQ_GENERATED_CONFIG_DIR="{folder}/generated"
export RABBITMQ_PID_FILE="{folder}/pid" RUNNING_UNDER_SYSTEMD=1
exec "{program}"
"""
# Everything on loopback, on ports of its own; somebody inside who may end connections.
OURS = """\
listeners.tcp.default = {host}:{amqp}
mqtt.listeners.tcp.default = {host}:{mqtt}
management.tcp.ip = {host}
management.tcp.port = {api}
distribution.listener.interface = {host}
distribution.listener.port_range.min = {distribution}
distribution.listener.port_range.max = {distribution}
default_user = {user}
default_pass = {password}
log.console.level = info
"""


class Epmd(Server):
    """Erlang's list of nodes, which RabbitMQ would leave behind as a daemon if nobody else ran one."""

    name = "epmd"

    def command(self) -> list[str]:
        return [str(find.epmd()), "-port", str(self.port), "-address", ports.HOST]

    def answers(self) -> bool:
        return len(exchange(self.port, EPMD_NAMES, 4)) == 4

    def prepare(self) -> None:
        """Nothing."""


class RabbitMQ(Server):
    """`with RabbitMQ(folder, lines) as broker:` gives an MQTT 3.1.1 broker at `broker.port`.

    `lines` are the part of a rabbitmq.conf that a test is about. `api_url` is the management plugin's, with a user
    who may do everything.
    """

    name = "rabbitmq"
    # What it has is of no interest, and an orderly stop takes seconds.
    stop_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, folder: Path, lines: Iterable[str]) -> None:
        super().__init__(folder)
        self.api_port, self.amqp_port, self._distribution = (ports.reserve() for _ in range(3))
        self.user, self.password = "keeper", secrets.token_hex(16)
        self._lines = list(lines)
        self._epmd = Epmd(folder / "epmd")

    @property
    def api_url(self) -> str:
        return f"{self.user}:{self.password}@{ports.HOST}:{self.api_port}"

    def prepare(self) -> None:
        self._epmd.prepare()
        self._epmd.start()
        home = find.erlang()
        programs = next(home.glob("erts-*/bin"))
        script = self.folder / "bin" / "erl"
        script.parent.mkdir()
        script.write_text(ERL.format(home=home, programs=programs))
        script.chmod(0o755)
        (self.folder / "rabbitmq.conf").write_text("\n".join([self._ours(), *self._lines, ""]))
        (self.folder / "plugins").write_text(f"[{','.join(PLUGINS)}].\n")
        self._write_start()

    def _ours(self) -> str:
        return OURS.format(
            host=ports.HOST,
            amqp=self.amqp_port,
            mqtt=self.port,
            api=self.api_port,
            distribution=self._distribution,
            user=self.user,
            password=self.password,
        )

    def _write_start(self) -> None:
        text = START.format(
            folder=self.folder,
            epmd=self._epmd.port,
            host=ports.HOST,
            # Erlang knows a node by its name, wherever its folder is.
            node=f"keyseed-{secrets.token_hex(4)}",
            program=find.rabbitmq(),
        )
        start = self.folder / "start"
        start.write_text(text)
        start.chmod(0o755)

    def command(self) -> list[str]:
        for port in self._others:
            ports.release(port)
        return [str(self.folder / "start")]

    def answers(self) -> bool:
        return exchange(self.port, CONNECT, 1) == CONNACK

    def close(self) -> None:
        super().close()
        self._epmd.close()
        for port in self._others:
            ports.release(port)

    @property
    def _others(self) -> tuple[int, int, int]:
        return self.api_port, self.amqp_port, self._distribution
