"""kill -9 at any moment costs time and nothing else: law 3, WIRE.md 6.3."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.bench.load import Tally
from tests.pipeline.conftest import Installation

DEVICES = 1_500


def _run(installation: Installation, disturb: Callable[[], None]) -> Tally:
    """Devices are provisioned while `disturb` happens again and again."""
    ids = installation.devices(DEVICES)
    load = installation.load(ids, in_flight=150)
    over = threading.Event()

    def keep_disturbing() -> None:
        while not over.wait(0.7):
            disturb()

    thread = threading.Thread(target=keep_disturbing)
    thread.start()
    try:
        return load.run(100)
    finally:
        over.set()
        thread.join()


@pytest.mark.timeout(180)
def test_a_pool_child_is_killed_while_batches_are_under_way(installation: Installation) -> None:
    worker = installation.product.processes["inbound"]
    killed: list[int] = []

    def disturb() -> None:
        if len(killed) < 4 and (children := worker.children()):
            os.kill(children[0], signal.SIGKILL)
            killed.append(children[0])

    tally = _run(installation, disturb)
    assert killed
    installation.assert_all_provisioned_once(DEVICES, tally)


@pytest.mark.timeout(180)
def test_the_whole_worker_is_killed_while_batches_are_under_way(installation: Installation) -> None:
    product = installation.product
    killed: list[int] = []

    def disturb() -> None:
        if len(killed) < 2:
            killed.append(product.processes["inbound"].pid)
            product.processes["inbound"].kill()
            product.start("inbound")

    tally = _run(installation, disturb)
    assert killed
    installation.assert_all_provisioned_once(DEVICES, tally)


@pytest.mark.timeout(180)
def test_the_gateway_is_killed_while_messages_arrive(installation: Installation) -> None:
    product = installation.product
    killed: list[int] = []

    def disturb() -> None:
        if len(killed) < 3:
            killed.append(product.processes["gateway"].pid)
            product.processes["gateway"].kill()
            product.start("gateway")

    tally = _run(installation, disturb)
    assert killed
    installation.assert_all_provisioned_once(DEVICES, tally)


@pytest.mark.timeout(180)
def test_the_database_and_the_broker_restart_under_load(installation: Installation) -> None:
    product = installation.product
    restarted: list[float] = []

    def disturb() -> None:
        if not restarted:
            restarted.append(time.monotonic())
            product.postgres.restart()
            product.redis.restart()

    tally = _run(installation, disturb)
    assert restarted
    installation.assert_all_provisioned_once(DEVICES, tally)
