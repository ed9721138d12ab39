"""One `manage.py standalone`, as its operator runs it: a folder, two ports, a key. Nothing else is known of it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

PROJECT = Path(__file__).parents[2]
API_KEY = "a-key-for-these-tests-of-forty-two-letters"
# Seconds: a first start migrates a database on a machine that may be busy.
START = 60.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return int(port)


def environment() -> dict[str, str]:
    """What a plain shell would hand over: none of the settings that other tests run with."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


class Installation:
    """A running `standalone`; `with` starts and stops it."""

    def __init__(
        self,
        folder: Path,
        *,
        api_key: str | None = API_KEY,
        http: int = 0,
        mqtt: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.api_key = api_key
        self.http = http or free_port()
        self.mqtt = mqtt or free_port()
        self.settings = dict(settings or {})
        # A signal that it gets in the moment in which it says that it is ready.
        self.at_ready: int | None = None
        self.out: list[str] = []
        self.err: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []
        self._ready = threading.Event()

    def launch(self) -> subprocess.Popen[str]:
        """Start it without waiting for its `ready`."""
        command = [sys.executable, "manage.py", "standalone", "--data", str(self.folder)]
        command += ["--http", f"127.0.0.1:{self.http}", "--mqtt", f"127.0.0.1:{self.mqtt}"]
        if self.api_key is not None:
            command += ["--api-key", self.api_key]
        self.out, self.err = [], []
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environment() | self.settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        pairs = ((self.process.stdout, self.out), (self.process.stderr, self.err))
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in pairs
            if pair[0] is not None
        ]
        for reader in self._readers:
            reader.start()
        return self.process

    def start(self) -> Self:
        """Start it and wait for its line `ready …`."""
        process = self.launch()
        deadline = time.monotonic() + START
        while not self._ready.wait(0.05):
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"standalone is not ready:\n{self.said()}")
        return self

    def stop(self, by: int = signal.SIGINT, within: float = 15.0) -> int:
        """Ask it to end and return its exit code; one that does not end within so many seconds is killed."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(by)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._close()
        return code

    def said(self) -> str:
        """All it wrote, on both outputs."""
        return "".join(self.out) + "".join(self.err)

    def memory(self) -> int:
        """Resident bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def first_start(self) -> str:
        """What it told on its first start, where its output was no terminal."""
        return (self.folder / "first-start.txt").read_text()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def _read(self, stream: IO[str], into: list[str]) -> None:
        with stream:
            for line in stream:
                into.append(line)
                if line.startswith("ready "):
                    if self.at_ready is not None and self.process is not None:
                        self.process.send_signal(self.at_ready)
                    self._ready.set()

    def _close(self) -> None:
        for reader in self._readers:
            reader.join(5)


def manage(*arguments: str, settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Another command of `manage.py`, as an operator would give it beside a running installation."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=environment() | dict(settings or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def settings_of(installation: Installation) -> dict[str, str]:
    """What the environment must hold for another command of `manage.py` to work on this installation's folder."""
    folder = installation.folder
    password = (folder / "gateway_password").read_text().strip()
    return {
        "KEYSEED_SECRET_KEY_FILE": str(folder / "secret_key"),
        "KEYSEED_FIELD_KEYS_FILE": str(folder / "field_key"),
        "DATABASE_URL": f"sqlite:///{folder}/keyseed.sqlite3",
        "MQTT_URL": f"mqtt://gateway:{password}@127.0.0.1:{installation.mqtt}",
    }
