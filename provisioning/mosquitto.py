"""Fills Mosquitto's files from the database: who has which password, who reaches what, which certificates are good.

On SIGHUP Mosquitto 2.0.11 reads all of them again, cafile and crlfile too. It also ends the sessions of those who are
no longer in password_file or have another password there, but not those of revoked certificates: the list is looked at
when somebody connects. So a kicked device has its session taken over as well, and finds the files changed when it comes
back. It has no TLS ticket that leads past the list: no TLS session is resumed across a SIGHUP.
"""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from devices import certificates, credentials, passwords
from provisioning import mqtt, takeover

ACL = """\
# Written by Keyseed. A device (%u is its user name, the device id) reaches its own topics only.
user {user}
topic readwrite {root}/#

pattern write {root}/%u/+/get
pattern write {root}/%u/+/results
pattern read {root}/%u/#
"""

AGAIN_SECONDS = 0.3
WATCHED_SECONDS = 1.0
"""For how long a Mosquitto that is not told looks at its files at most: docker/mosquitto.sh does twice a second."""


class NoServiceUser(ValueError):
    """MQTT_URL has no user or no password, so no file can let the service in."""


class MosquittoFiles:
    """A Mosquitto that reads its users from files of ours."""

    def __init__(self, folder: Path, pid_file: str = "") -> None:
        self._folder = folder
        self._pid_file = pid_file

    def credentials_changed(self) -> None:
        """Writes the files and has Mosquitto read them, also those that were written before one failed."""
        try:
            self.write()
        finally:
            self.reload()

    def kick(self, device_ids: Collection[UUID]) -> None:
        """Takes over, once Mosquitto has read the files, what a certificate may have opened: the rest ended then."""
        if holders := certificates.holders(device_ids):
            if not self._pid_file:
                time.sleep(WATCHED_SECONDS)
            takeover.end_sessions(settings.MQTT_URL, holders)

    def write(self) -> int:
        """Writes the files, each in one step; returns how many devices have a password. Raises `NoServiceUser`.

        Passwords come first: that the device CA's key cannot be opened shuts out no device that has one.
        """
        user, password = _service_user()
        acl = ACL.format(user=user, root=settings.KEYSEED_MQTT_ROOT)
        self._folder.mkdir(parents=True, exist_ok=True)
        with _held(self._folder):
            _replace(self._folder / "acl_file", [acl])
            digests = credentials.valid_passwords()
            _replace(self._folder / "password_file", _lines(user, password, digests.items()))
            self._write_certificates()
        return len(digests)

    def _write_certificates(self) -> None:
        """The list of a CA must be there when the CA is: Mosquitto lets in nobody whose CA has none."""
        now, crl = timezone.now(), self._folder / "crl.pem"
        known = crl.read_text(errors="replace") if crl.exists() else ""
        lists = certificates.lists(now, known)
        _replace(crl, [lists])
        _replace(self._folder / "device_ca.pem", [certificates.trusted(now)])

    def reload(self) -> None:
        """Has Mosquitto read its files; nothing where no pid file is known.

        Mosquitto 2.0 forgets a SIGHUP that comes while it still reads for an earlier one, so it is sent again.
        """
        if not self._pid_file:
            return
        pid = int(Path(self._pid_file).read_text())
        os.kill(pid, signal.SIGHUP)
        time.sleep(AGAIN_SECONDS)
        os.kill(pid, signal.SIGHUP)


def _service_user() -> tuple[str, str]:
    address = mqtt.parse(settings.MQTT_URL)
    if not address.user or not address.password:
        raise NoServiceUser(
            "MQTT_URL needs the service's user and password: mqtt://gateway:password@host:port."
        )
    return address.user, address.password


def _lines(user: str, password: str, digests: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"{user}:{passwords.digest(password)}\n"
    for device_id, digest in digests:
        yield f"{device_id}:{digest}\n"


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Who read the passwords first must not write them last: a blocked device would be let in again.

    The folder itself is the lock: a file in it would belong to the first user who wrote here, and shut out others.
    """
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _replace(path: Path, lines: Iterable[str]) -> None:
    """Mosquitto never sees half a file, and nobody but it and us sees a hash."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        written = Path(file.name)
        try:
            file.writelines(lines)
            os.fchmod(file.fileno(), 0o640)
            if path.exists():
                os.fchown(file.fileno(), -1, path.stat().st_gid)
            file.flush()
            written.replace(path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
