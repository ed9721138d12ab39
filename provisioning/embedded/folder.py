"""The data folder of `manage.py standalone`: what is in it, and the environment that follows from it. No Django."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

from pki.sealing import new_key

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach what listens everywhere


class FolderTaken(Exception):
    """Another standalone runs on this folder."""


class FolderDamaged(Exception):
    """A file of the folder is not as it was written."""


class Folder:
    """A data folder, made on first use, for its owner's eyes only. Raises `FolderDamaged` where it cannot be one."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise FolderDamaged(f"{path} cannot be the data folder: {error.strerror}.") from None

    def environment(self, inherited: Mapping[str, str], mqtt_host: str, mqtt_port: int) -> dict[str, str]:
        """The environment of Keyseed on this folder; keys are made on the first call and kept.

        Raises `FolderTaken` and `FolderDamaged`.
        """
        with self.lock():
            own = self._own(mqtt_host, mqtt_port)
        # NAME_FILE would win over NAME, and lead to another installation's database or keys.
        kept = {name: value for name, value in inherited.items() if name.removesuffix("_FILE") not in own}
        return {**kept, **own, "KEYSEED_ALLOWED_HOSTS": inherited.get("KEYSEED_ALLOWED_HOSTS", "*")}

    def lock(self) -> IO[bytes]:
        """Holds the folder until the returned file is closed. Raises `FolderTaken`."""
        try:
            file = (self.path / "lock").open("wb")
        except OSError as error:
            raise FolderDamaged(f"{self.path} cannot be written: {error.strerror}.") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise FolderTaken(
                f"Another standalone runs on {self.path}. Stop it, or give another --data."
            ) from None
        return file

    def keep_private(self, name: str, text: str) -> Path:
        """Writes a file that only its owner can read, whole or not at all."""
        path, written = self.path / name, self.path / f".{name}.new"
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return written.replace(path)

    def _own(self, mqtt_host: str, mqtt_port: int) -> dict[str, str]:
        password = self._kept("gateway_password", lambda: secrets.token_urlsafe(32))
        host = ANYWHERE.get(mqtt_host, mqtt_host)
        at = f"[{host}]:{mqtt_port}" if ":" in host else f"{host}:{mqtt_port}"
        return {
            "DATABASE_URL": f"sqlite:///{quote(str(self.path / 'keyseed.sqlite3'))}",
            "CELERY_BROKER_URL": "memory://localhost/",
            "MQTT_URL": f"mqtt://gateway:{password}@{at}?version=3.1.1",
            "KEYSEED_SECRET_KEY": self._kept("secret_key", lambda: secrets.token_urlsafe(64)),
            "KEYSEED_FIELD_KEYS": self._kept("field_key", new_key),
        }

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        path = self.path / name
        if not path.exists():
            self.keep_private(name, make())
        text = path.read_text().strip()
        if not text:
            raise FolderDamaged(
                f"{path} is empty. Put it back from a backup; without it, secrets cannot be read."
            )
        return text
