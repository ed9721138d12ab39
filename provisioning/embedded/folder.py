"""The data folder of `manage.py standalone`: what is in it, and the environment that follows from it. No Django."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from pki.sealing import new_key


class FolderTaken(Exception):
    """Another standalone runs on this folder."""


class Folder:
    """A data folder, made on first use, for its owner's eyes only."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def environment(self, mqtt_port: int) -> dict[str, str]:
        """The settings of Keyseed on this folder; keys are made on the first call and kept."""
        password = self._kept("gateway_password", lambda: secrets.token_urlsafe(32))
        return {
            "DATABASE_URL": f"sqlite:///{self.path / 'keyseed.sqlite3'}",
            "CELERY_BROKER_URL": "memory://localhost/",
            "MQTT_URL": f"mqtt://gateway:{password}@127.0.0.1:{mqtt_port}?version=3.1.1",
            "KEYSEED_SECRET_KEY": self._kept("secret_key", lambda: secrets.token_urlsafe(64)),
            "KEYSEED_FIELD_KEYS": self._kept("field_key", new_key),
            "KEYSEED_ALLOWED_HOSTS": os.environ.get("KEYSEED_ALLOWED_HOSTS", "*"),
        }

    def lock(self) -> IO[bytes]:
        """Holds the folder until the returned file is closed. Raises `FolderTaken`."""
        file = (self.path / "lock").open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise FolderTaken(
                f"Another standalone runs on {self.path}. Stop it, or give another --data."
            ) from None
        return file

    def keep_private(self, name: str, text: str) -> Path:
        """Writes a file that only its owner can read."""
        path = self.path / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        return path

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        path = self.path / name
        if not path.exists():
            self.keep_private(name, make())
        return path.read_text().strip()
