"""A fleet goes from defined to PROVISIONED over a real broker, and says so truly when it does not."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from provisioning.simulator.connection import Broker, Version, broker
from provisioning.simulator.faults import Faults
from provisioning.simulator.fleet import TIMED_OUT, TIMING, Fleet, Settings
from provisioning.simulator.formats import Format
from provisioning.simulator.owner import Owner
from provisioning.simulator.summary import Summary
from tests.servers.mosquitto import Mosquitto

from .installation import ACCESS, GATEWAY, KEY, PASSWORD, Answer, Installation

CONFIG = """\
listener 1883
allow_anonymous false
password_file passwords
acl_file acl
set_tcp_nodelay true
"""


class Tally:
    """How many devices are where, as the display counts them."""

    def __init__(self) -> None:
        self.counts: Counter[str | None] = Counter()
        self.moves: Counter[tuple[str | None, str]] = Counter()

    def moved(self, old: str | None, new: str) -> None:
        self.counts[old] -= 1
        self.counts[new] += 1
        self.moves[old, new] += 1


@pytest.fixture
def installation(start_mosquitto: Callable[..., Mosquitto]) -> Iterator[Installation]:
    secrets = {str(uuid.uuid4()): uuid.uuid4().hex for _ in range(12)}
    at = start_mosquitto(CONFIG, users={GATEWAY: PASSWORD, **secrets}, acl=ACCESS)
    with Installation(at, secrets) as running:
        yield running


def settings(
    installation: Installation, devices: int, version: Version = Version.V311, **more: object
) -> Settings:
    at = Broker("127.0.0.1", installation.broker.port, version)
    return Settings(devices, at, **{"parallel": 4, "timeout": 20.0, **more})  # type: ignore[arg-type]


def run(installation: Installation, wanted: Settings, tally: Tally | None = None) -> Summary:
    owner = Owner(installation.api.url, KEY, first_wait=0.01)

    async def start() -> Summary:
        return await Fleet(wanted, owner, tally or Tally()).run()

    return asyncio.run(start())


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("version", list(Version))
def test_a_fleet_is_provisioned_with_every_type_of_command(
    installation: Installation, form: Format, version: Version
) -> None:
    tally = Tally()
    summary = run(installation, settings(installation, 6, version, format=form), tally)
    assert summary.complete, summary.lines()
    assert summary.provisioned == 6
    assert {service.form for service in installation.seen.values()} == {form}
    assert {row.type for service in installation.seen.values() for row in service.rows} == NINE
    assert tally.counts == {None: -6, "PROVISIONED": 6, "READY": 0, "PROVISIONING": 0, "AWAITING": 0}
    # Six gets and results, and for the three that made their own key once more.
    assert len(summary.trips) >= 18
    assert summary.percentile(50) is not None


NINE = {
    "clientPrivateKeyGeneration",
    "cloudAccessKeyGeneration",
    "certificateSigningRequest",
    "serverCertificate",
    "clientCertificate",
    "clientPrivateKey",
    "preSharedKey",
    "config",
    "finished",
}


def test_devices_are_taken_down_afterwards(installation: Installation) -> None:
    run(installation, settings(installation, 2))
    assert installation.services == {}
    assert len(installation.seen) == 2


def test_devices_stay_when_they_are_to_be_kept(installation: Installation) -> None:
    run(installation, settings(installation, 2, keep=True))
    assert [service.status() for service in installation.services.values()] == ["PROVISIONED"] * 2


def test_a_fleet_is_provisioned_over_a_line_that_loses_doubles_delays_reorders_and_garbles(
    installation: Installation,
) -> None:
    trouble = Faults(lose=0.1, duplicate=0.2, reorder=0.2, delay=0.05, lie=0.05, seed=1)
    wanted = settings(installation, 12, faults=trouble, timing=TIMING.scaled(0.02), parallel=12, timeout=60.0)
    summary = run(installation, wanted)
    assert summary.complete, summary.lines()
    rows = [row for service in installation.seen.values() for row in service.rows]
    assert {row.stored for row in rows} == {1}
    assert sum(service.conflicts for service in installation.seen.values()) == 0


def test_a_device_that_fails_is_named_with_what_the_service_says(installation: Installation) -> None:
    summary = run(installation, settings(installation, 2, faults=Faults(fail={"preSharedKey": 3})))
    assert not summary.complete
    assert [fate.status for fate in summary.failed] == ["ERROR", "ERROR"]
    assert summary.lines()[0].startswith("0 provisioned, 2 failed in ")
    for fate in summary.failed:
        assert f"{fate.device} is ERROR: A command failed. Reset it." in summary.lines()


def test_a_device_that_the_broker_does_not_let_in_times_out_and_says_why(installation: Installation) -> None:
    _, made = installation.make()
    installation.api.instead = [Answer(201, made), Answer(201, {"id": "c", "secret": "wrong"})]
    (fate,) = run(installation, settings(installation, 1, timeout=1.0)).fates
    assert fate.status == TIMED_OUT
    assert "Not authorized" in fate.why


def test_a_service_that_is_away_is_named_for_each_device(installation: Installation) -> None:
    installation.api.instead = [Answer(500, {"code": "INTERNAL", "message": "sorry"})]
    summary = run(installation, settings(installation, 2, parallel=1))
    assert [fate.why for fate in summary.failed] == ["500 INTERNAL: sorry"]
    assert summary.provisioned == 1


def test_a_fleet_that_is_stopped_says_how_far_it_came_and_takes_its_devices_down(
    installation: Installation,
) -> None:
    owner = Owner(installation.api.url, KEY, first_wait=0.01)
    wanted = settings(installation, 6, parallel=2, timeout=60.0)

    async def start() -> Summary:
        fleet = Fleet(wanted, owner, Tally())
        running = asyncio.create_task(fleet.run())
        while len(fleet.summary.fates) < 2:
            await asyncio.sleep(0.01)
        fleet.stop()
        return await running

    summary = asyncio.run(start())
    assert summary.interrupted
    assert 2 <= summary.provisioned < 6
    assert summary.lines()[0] == f"interrupted after {summary.provisioned} of 6 devices"
    assert installation.services == {}


def test_the_broker_may_restart_under_a_fleet(installation: Installation) -> None:
    owner = Owner(installation.api.url, KEY, first_wait=0.01)
    wanted = settings(installation, 4, faults=Faults(delay=0.3), timing=TIMING.scaled(0.1), timeout=30.0)

    async def start() -> Summary:
        running = asyncio.create_task(Fleet(wanted, owner, Tally()).run())
        while not any(service.heard for service in installation.seen.values()):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(installation.broker.restart)
        return await running

    assert asyncio.run(start()).complete


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("mqtt://broker.example.com:1884", "broker.example.com", 1884),
        ("mqtt://127.0.0.1", "127.0.0.1", 1883),
        ("mqtt://[::1]:1883/", "::1", 1883),
    ],
)
def test_a_broker_is_named_by_its_address(url: str, host: str, port: int) -> None:
    assert broker(url) == Broker(host, port)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:1883", "mqtts://host", "mqtt://", "mqtt://host:x", "mqtt://host/topic"]
)
def test_an_address_that_names_no_broker_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use mqtt://host:port"):
        broker(url)
