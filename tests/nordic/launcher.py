"""Runs a program of nrfcloud-utils as it is: only at another address, and on a port with a simulated modem behind.

`python -m tests.nordic.launcher URL MODEM PROGRAM [ARGUMENT …]`: MODEM is a file of `manage.py modem`, PROGRAM a
module of the package. The programs have no option for the address, so three of their constants are set instead.
"""

import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from provisioning.simulator.modem import Modem

END = b"\r\n"
CLOUDS = ("nrf_cloud_diap", "nrf_cloud_onboard")


class Port:
    """A serial port: the modem of the file answers each line."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.typed = b""
        self.lines: list[bytes] = []

    def write(self, data: bytes) -> int:
        *lines, self.typed = (self.typed + data).split(END)
        for line in filter(None, lines):
            # Another process may have provisioned the modem since the last line.
            answer = Modem.load(self.state).at(line.decode())
            self.lines += answer.encode().splitlines(keepends=True)
        return len(data)

    def readline(self) -> bytes:
        return self.lines.pop(0) if self.lines else b""

    def reset_input_buffer(self) -> None:
        self.lines.clear()

    def reset_output_buffer(self) -> None:
        self.typed = b""

    def flush(self) -> None: ...

    def close(self) -> None: ...


def plug_in(state: Path) -> None:
    """Leaves one device on the desk, whatever the programs look for."""
    comms: Any = import_module("nrfcredstore.comms")
    comms.select_device = lambda *_: (SimpleNamespace(device="/dev/ttyACM0"), 1)
    comms.serial = SimpleNamespace(Serial=lambda **_: Port(state))


def point_at(url: str) -> None:
    """Sets the address in parts: the programs put it together."""
    for name in CLOUDS:
        cloud: Any = import_module(f"nrfcloud_utils.{name}")
        cloud.API_URL_START, cloud.API_URL_END = url, "v1/"
        cloud.DEV_STAGE_DICT = {"": "/", "prod": "/"}


def main(url: str, modem: str, program: str, *arguments: str) -> None:
    """Ends as the program does."""
    point_at(url)
    plug_in(Path(modem))
    import_module(f"nrfcloud_utils.{program}").main(list(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
