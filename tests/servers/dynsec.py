"""Mosquitto with its dynamic security plugin: the shipped configuration, with the plugin where this machine has it."""

from functools import cache
from pathlib import Path

from tests.servers import find
from tests.servers.mosquitto import Mosquitto

CONFIG = Path(__file__).parents[2] / "docker" / "mosquitto-dynsec.conf"
NAME = "mosquitto_dynamic_security.so"
FOLDERS = ("usr/lib", "usr/lib/*-linux-gnu", "usr/local/lib", "opt/homebrew/lib", "lib", "lib/*-linux-gnu")
FILE = "dynamic-security.json"


@cache
def plugin() -> Path:
    """The plugin of the Mosquitto that `find.mosquitto` gives. Raises Missing."""
    program = find.mosquitto()
    for root in (*program.resolve().parents, *program.parents):
        for folder in FOLDERS:
            for found in sorted(root.glob(f"{folder}/{NAME}")):
                return found
    raise find.Missing(f"{NAME} is missing beside {program}: Debian's package mosquitto has it")


class DynsecMosquitto(Mosquitto):
    """The broker of docker/mosquitto-dynsec.conf; the plugin's file must stand in the folder before it starts.

    `more` is a further listener.
    """

    def __init__(self, folder: Path, more: str = "") -> None:
        lines = [*CONFIG.read_text().splitlines(), *more.splitlines()]
        super().__init__(folder, "\n".join(self._line(folder, one) for one in lines))

    @property
    def file(self) -> Path:
        """What the plugin starts from and writes at every change."""
        return self.folder / FILE

    @staticmethod
    def _line(folder: Path, line: str) -> str:
        setting, _, value = line.partition(" ")
        if setting == "plugin":
            return f"plugin {plugin()}"
        return f"{setting} {folder / Path(value).name}" if setting == "plugin_opt_config_file" else line
