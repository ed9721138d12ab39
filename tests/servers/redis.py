"""A private Redis keeps nothing on disk and asks for its password."""

import secrets
from pathlib import Path

from tests.servers import find, ports
from tests.servers.server import Server, exchange

CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir {folder}
save ""
appendonly no
"""


class Redis(Server):
    """`with Redis(folder) as redis:` gives a Redis at `redis.url`."""

    name = "redis"

    def __init__(self, folder: Path, *, port: int | None = None, password: str | None = None) -> None:
        super().__init__(folder, port)
        self.password = password or secrets.token_hex(16)

    @property
    def url(self) -> str:
        """For CELERY_BROKER_URL."""
        return f"redis://:{self.password}@{ports.HOST}:{self.port}/0"

    def prepare(self) -> None:
        config = CONFIG.format(host=ports.HOST, port=self.port, password=self.password, folder=self.folder)
        self._config.write_text(config)

    def command(self) -> list[str]:
        return [str(find.redis()), str(self._config)]

    def answers(self) -> bool:
        question = f"AUTH {self.password}\r\nPING\r\n".encode()
        return exchange(self.port, question, 5) == b"+OK\r\n"

    @property
    def _config(self) -> Path:
        return self.folder / "redis.conf"
