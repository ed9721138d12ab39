"""A modem that cannot: its owner sees its CME code and a sentence, and decides; the rest of the list waits."""

from collections.abc import Callable

import pytest

from provisioning.simulator.modem_store import CLIENT_KEY, ROOT_CA
from provisioning.simulator.nordic import run
from provisioning.simulator.nordic_codec import Settings
from tests.nordic import lists
from tests.nordic.units import Unit
from tests.standalone import material
from tests.standalone.fleet import FINISHED, key_generation

KEYGEN_FAILED, INVALID = 523, 527


@pytest.mark.parametrize("over", ["http", "mqtt"])
def test_a_modem_that_cannot_make_a_key_is_told_reset_and_provisioned(
    new_unit: Callable[..., Unit], over: str
) -> None:
    unit = new_unit(faults={"%KEYGEN": KEYGEN_FAILED})
    unit.claim()
    device = unit.device
    before, failed, behind, last = device.add(
        {"config": {"a": "b"}}, key_generation(), {"config": {"c": "d"}}, FINISHED
    )
    done = unit.pull(over=over)
    assert [response[1:3] for response in done.failures] == [(99, KEYGEN_FAILED)]
    assert device.status == "ERROR"
    assert device.states(before, failed) == ["SUCCEEDED", "FAILED"]
    assert set(device.states(behind, last)) <= {"PENDING", "IN_PROGRESS"}
    error = device.command(failed)["error"]
    assert (error["code"], error["deviceCode"]) == ("DEVICE_ERROR", KEYGEN_FAILED)
    assert "could not make the key" in error["message"]
    explained = unit.owner.get(f"{device.path}/explain").made()
    assert explained["commandId"] == failed
    assert str(KEYGEN_FAILED) in explained["why"] + explained["next"]

    assert unit.pull(over=over).responses == []  # nothing is served until its owner decides
    unit.modem.faults.clear()
    assert device.act(failed, "reset").status == 200
    assert unit.pull(over=over).finished
    assert device.status == "PROVISIONED"
    assert set(device.states(before, failed, behind, last)) == {"SUCCEEDED"}
    assert unit.modem.store.get(1, CLIENT_KEY)


def test_a_helper_step_that_fails_is_its_commands_failure(new_unit: Callable[..., Unit]) -> None:
    unit = new_unit(faults={"%CMNG=3": 514})
    unit.claim()
    failed, _ = unit.device.add(key_generation(), FINISHED)
    unit.pull()
    assert unit.device.command(failed)["error"]["deviceCode"] == 514


def test_a_certificate_that_the_modem_refuses_can_be_skipped(new_unit: Callable[..., Unit]) -> None:
    unit = new_unit(faults={"%CMNG=0": INVALID})
    unit.claim()
    refused, _ = unit.device.add(lists.stored("serverCertificate", material.ca_pem()), FINISHED)
    unit.pull()
    assert unit.device.command(refused)["error"]["deviceCode"] == INVALID
    assert unit.device.act(refused, "skip").status == 200
    assert unit.pull().finished
    assert unit.device.status == "PROVISIONED"


def test_what_is_there_already_is_replaced(claimed: Unit) -> None:
    """A slot in use would refuse a key, and a certificate, with 519: it is cleared first."""
    for _ in range(2):
        claimed.device.add(
            key_generation(lists.TRUSTED), lists.stored("serverCertificate", material.ca_pem()), FINISHED
        )
        done = claimed.pull()
        assert (done.finished, done.failures) == (True, [])
    assert claimed.modem.store.get(lists.TRUSTED, ROOT_CA) == material.ca_pem()


class Mute:
    """A modem that writes nothing, and gives no number."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}

    def at(self, line: str) -> str:
        return "ERROR\r\n" if line.startswith("AT%CMNG=0") else "OK\r\n"


@pytest.mark.parametrize("over", ["http", "mqtt"])
@pytest.mark.parametrize("passes", [True, False])
def test_an_error_without_a_number_is_a_failure_however_it_is_reported(
    claimed: Unit, over: str, passes: bool
) -> None:
    """A build that looks for numbers only reports it as if the modem had done it."""
    failed, _ = claimed.device.add(lists.stored("serverCertificate", material.ca_pem()), FINISHED)
    run(Mute(), claimed.over(over), Settings(plain_error_passes=passes))
    assert claimed.device.command(failed)["status"] == "FAILED"
    assert claimed.device.status == "ERROR"
