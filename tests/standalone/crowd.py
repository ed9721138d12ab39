"""Devices and an owner at work while the service is killed: what each was told is kept, and the rest is not minded."""

import json
import queue
import threading
from http.client import HTTPException
from typing import Self

from tests.standalone.board import Board, Refused, ok
from tests.standalone.fleet import FINISHED, Device, config, define
from tests.standalone.rest import Owner

TAG = "made-by-the-crowd"
GONE = (OSError, HTTPException, Refused, AssertionError, queue.Empty, RuntimeError, ValueError)


class Crowd:
    """Devices that report one result after the other, and an owner who defines one device after the other."""

    def __init__(self, owner: Owner, mqtt: int, size: int = 8) -> None:
        self.owner = owner
        self.devices = [define(owner, mqtt) for _ in range(size)]
        for device in self.devices:
            device.add(*[config(str(number)) for number in range(9)], FINISHED)
        self.stored: list[tuple[Device, str]] = []
        self.defined: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._answer, args=(device,)) for device in self.devices]
        self._threads.append(threading.Thread(target=self._define))

    def start(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """End, and wait until all have."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _answer(self, device: Device) -> None:
        try:
            with device.board() as board:
                for command in board.get()["commands"]:
                    self._report(device, board, command["id"])
        except GONE:
            return

    def _report(self, device: Device, board: Board, correlation: str) -> None:
        if self._stop.wait(0.02):
            return
        body = json.dumps({"results": [ok(correlation)]}).encode()
        board.client.publish(f"prov/v1/{board.id}/json/results", body, 1)
        for id, word in board.next(1.0).body["results"].items():
            assert word in ("stored", "duplicate")
            self.stored.append((device, id))

    def _define(self) -> None:
        try:
            while not self._stop.is_set():
                made = self.owner.post("/v1/claimed-devices", {"tags": [TAG]}).made()
                self.defined.append(made["id"])
        except GONE:
            return
