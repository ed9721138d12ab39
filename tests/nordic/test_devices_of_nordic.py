"""A device that speaks Nordic's CBOR and nothing else does all that an owner can ask, however small it was built."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from provisioning.simulator.modem import Modem
from provisioning.simulator.modem_store import CLIENT_CERTIFICATE, CLIENT_KEY, PSK, PSK_IDENTITY, ROOT_CA
from provisioning.simulator.nordic import Ask, Client, Summary, Transport, run
from provisioning.simulator.nordic_codec import Settings
from tests.nordic import lists
from tests.nordic.lists import CLOUD, OWN, PAIRS, REQUESTED, SHARED, TRUSTED
from tests.nordic.units import ROOMY, CloudKey, Unit
from tests.standalone import material
from tests.standalone.fleet import FINISHED, SECRET, key_generation, preshared

FIRST = Ask("", ROOMY)
PACE = 0.02
BUILDS = {
    "roomy": ROOMY,
    "as it comes": Settings(pace=PACE),
    "indefinite lengths": Settings(serial_modem_style=True, pace=PACE),
    "five at a time": Settings(records=5, rx=1536, tx=1536, pace=PACE),
    "tells no limit": Settings(tells_limit=False, mver="2.0.0", cver="1", pace=PACE),
}
SMALL = {
    "three at a time": Settings(records=3, rx=1024, tx=1024, pace=PACE),
    "the smallest in the serial modems style": Settings(
        records=3, rx=1024, tx=1024, serial_modem_style=True, pace=PACE
    ),
}


def check_whole(unit: Unit, ids: list[str], done: Summary) -> None:
    """The device did everything, the owner sees it, and the modem has it."""
    assert (done.finished, done.failures) == (True, [])
    assert unit.device.status == "PROVISIONED"
    assert set(unit.device.states(*ids)) == {"SUCCEEDED"}
    check_small(unit.modem)


def check_small(modem: Modem) -> None:
    store = modem.store
    for made in (CLOUD, OWN, REQUESTED):
        assert load_pem_private_key(store.get(made, CLIENT_KEY).encode(), None)
    assert store.get(TRUSTED, ROOT_CA) == material.ca_pem()
    assert store.get(TRUSTED, CLIENT_CERTIFICATE) == material.leaf_pem()
    sealed = load_pem_private_key(material.encrypted_key_pem().encode(), material.PASSWORD.encode())
    opened = load_pem_private_key(store.get(TRUSTED, CLIENT_KEY).encode(), None)
    assert opened.private_numbers() == sealed.private_numbers()  # type: ignore[union-attr]
    assert modem.settings == PAIRS


@pytest.mark.parametrize("over", ["http", "mqtt"])
@pytest.mark.parametrize("build", BUILDS)
def test_every_type_of_command_is_done(claimed: Unit, build: str, over: str) -> None:
    ids = claimed.device.add(*lists.whole())
    check_whole(claimed, ids, claimed.pull(BUILDS[build], over))
    assert claimed.modem.store.get(SHARED, PSK) == SECRET
    assert claimed.modem.store.get(SHARED, PSK_IDENTITY) == "pump"


@pytest.mark.parametrize("over", ["http", "mqtt"])
@pytest.mark.parametrize("build", SMALL)
def test_the_smallest_buffers_do(claimed: Unit, build: str, over: str) -> None:
    ids = claimed.device.add(*lists.small(), FINISHED)
    done = claimed.pull(SMALL[build], over)
    check_whole(claimed, ids, done)


def test_what_takes_more_steps_than_a_device_has_room_for_is_told_and_can_be_skipped(claimed: Unit) -> None:
    """A pre-shared key is two credentials to a modem, each deleted before it is written: four steps."""
    shared, finished = claimed.device.add(preshared(SHARED), FINISHED)
    build = SMALL["three at a time"]
    assert claimed.pull(build).responses == []
    assert claimed.device.status == "ERROR"
    assert (
        "takes 4 steps, and the device takes 3 at once" in claimed.device.command(shared)["error"]["message"]
    )
    assert claimed.device.act(shared, "skip").status == 200
    assert claimed.pull(build).finished
    assert claimed.device.states(shared, finished) == ["SKIPPED", "SUCCEEDED"]


@pytest.mark.parametrize("over", ["http", "mqtt"])
def test_the_requests_of_old_modem_firmware_are_read(new_unit: Callable[..., Unit], over: str) -> None:
    unit = new_unit(old_firmware=True)
    unit.claim()
    asked, cloud, _ = unit.device.add(
        lists.request(), {"cloudAccessKeyGeneration": {"secTag": CLOUD}}, FINISHED
    )
    assert unit.pull(over=over).finished
    assert unit.device.states(asked, cloud) == ["SUCCEEDED", "SUCCEEDED"]
    assert unit.http(CloudKey(unit.modem, CLOUD)).get(FIRST) is None


def test_a_request_is_kept_as_the_modem_wrote_it_without_what_is_around_it(claimed: Unit) -> None:
    (asked,) = claimed.device.add(lists.request())
    cleared, (made, *_, said) = claimed.pull().responses
    _, quoted, rest = str(said).split('"')
    assert cleared[0] == f"{made}.s"
    kept = claimed.device.command(asked)["response"]["certificateSigningRequest"]
    assert (kept, rest) == ({"csr": quoted}, "\r\nOK\r\n")


class Lossy:
    """A way over which every other report gets lost: on its way there, or the answer to it."""

    def __init__(self, way: Transport, *, stored: bool) -> None:
        self.way, self.stored, self.reports = way, stored, 0

    def get(self, ask: Ask) -> bytes | None:
        return self.way.get(ask)

    def report(self, responses: bytes, settings: Settings) -> None:
        self.reports += 1
        lost = self.reports % 2 == 1
        if self.stored or not lost:
            self.way.report(responses, settings)
        if lost:
            raise ConnectionError


@pytest.mark.parametrize("over", ["http", "mqtt"])
@pytest.mark.parametrize("stored", [True, False])
def test_what_was_not_heard_is_done_again_and_the_last_key_is_the_one_that_counts(
    claimed: Unit, over: str, stored: bool
) -> None:
    ids = claimed.device.add({"cloudAccessKeyGeneration": {"secTag": CLOUD}}, *lists.whole()[:-1], FINISHED)
    way = Lossy(claimed.over(over), stored=stored)
    client = Client(claimed.modem, way, BUILDS["five at a time"])
    client.run(polls=60)
    assert claimed.device.status == "PROVISIONED"
    assert set(claimed.device.states(*ids)) == {"SUCCEEDED"}
    signed = claimed.http(CloudKey(claimed.modem, CLOUD))
    assert run(claimed.modem, signed, ROOMY).responses == []


def test_a_device_goes_on_over_one_transport_where_it_left_the_other(claimed: Unit) -> None:
    (first,) = claimed.device.add(key_generation(OWN))
    claimed.pull(over="mqtt")
    (last,) = claimed.device.add(FINISHED)
    assert claimed.pull(over="http").finished
    assert claimed.device.states(first, last) == ["SUCCEEDED", "SUCCEEDED"]


def test_what_is_asked_after_the_end_is_done_as_well(claimed: Unit) -> None:
    claimed.device.add(FINISHED)
    assert claimed.pull().finished
    later, last = claimed.device.add({"config": {"a": "b"}}, FINISHED)
    assert claimed.pull().finished
    assert claimed.device.states(later, last) == ["SUCCEEDED", "SUCCEEDED"]
