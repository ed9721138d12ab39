"""A private server lives no longer than its owner, and stopping it touches no other process."""

import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Self

from tests.servers import leash, ports

START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOG_TAIL = 3_000

_spawner = ThreadPoolExecutor(1)


class NotStarted(RuntimeError):
    """The server ended, or did not answer in time; the text ends with the tail of its log."""


class Server(ABC):
    """One server process in a folder, used by `with`. `start` returns when the server answers."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL
    # User and group to run as; -1 is whoever runs us.
    account: tuple[int, int] = (-1, -1)

    def __init__(self, folder: Path, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or ports.reserve()
        self.log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The program, by its full path, and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client is served now. May raise OSError for no."""

    @abstractmethod
    def prepare(self) -> None:
        """Makes what must stand in the folder before the first start."""

    @property
    def pid(self) -> int:
        """Process id of the running server. Raises RuntimeError when it was not started."""
        return self._running().pid

    def start(self) -> None:
        """Starts the server and waits until it answers. Raises NotStarted."""
        ports.release(self.port)
        uid, gid = self.account
        with self.log.open("ab") as log:
            argv = leash.command(self.command(), signal=self.death_signal, uid=uid, gid=gid)
            self._process = _lasting(lambda: _spawned(argv, log))
        self._await()

    def stop(self) -> None:
        """Ends the server in its own orderly way, or with SIGKILL when that takes too long."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Ends the server as a crash would."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def restart(self) -> None:
        """Stops and starts again, on the same port and folder."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the server and gives back its port."""
        self.stop()
        ports.release(self.port)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process

    def _await(self) -> None:
        process = self._running()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if process.poll() is not None:
                self._process = None
                raise NotStarted(self._trouble(f"ended with code {process.returncode}"))
            if time.monotonic() > deadline:
                self.stop()
                raise NotStarted(self._trouble(f"did not answer within {START_SECONDS:.0f} s"))
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return self.answers()
        except OSError:
            return False

    def _trouble(self, what: str) -> str:
        return (
            f"{self.name} on port {self.port} {what}; the end of {self.log}:\n{self.log_text()[-LOG_TAIL:]}"
        )

    def log_text(self) -> str:
        """All that the server wrote so far."""
        return self.log.read_text(errors="replace")


def _lasting(spawn: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Spawns in a thread that lives as long as this process, because the leash breaks with its thread."""
    if threading.current_thread() is threading.main_thread():
        return spawn()
    return _spawner.submit(spawn).result()


def _spawned(argv: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        start_new_session=True,
    )


def exchange(port: int, question: bytes, size: int) -> bytes:
    """The first bytes, at most `size`, that a local port answers. Raises OSError."""
    with socket.create_connection((ports.HOST, port), timeout=2) as connection:
        connection.sendall(question)
        return connection.recv(size)
