"""`claim_and_provision_device` as it comes from PyPI: with a CA of its own, and by the onboarding rule."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from provisioning.simulator.modem_store import CLIENT_CERTIFICATE, CLIENT_KEY, ROOT_CA
from provisioning.simulator.nordic import Ask
from provisioning.simulator.nordic_codec import Settings
from tests.nordic import programs
from tests.nordic.flows import ONBOARDING, PROGRAM, Flow, Flows, onboard
from tests.nordic.units import ROOMY, TAG, CloudKey, Unit
from tests.standalone.fleet import FINISHED

RULES = "/v1/provisioning-rules"
FIRST = Ask("", ROOMY)
NOTHING = None
AMAZON = "CN=Amazon Root CA 1,O=Amazon,C=US"
SMALLER = Settings(pace=0.02)


def subjects(pem: str) -> list[str]:
    """Whose certificates these are."""
    return [one.subject.rfc4514_string() for one in x509.load_pem_x509_certificates(pem.encode())]


@pytest.fixture(params=["http", "mqtt"])
def flow(request: pytest.FixtureRequest, ran: Flows) -> Flow:
    """With a CA of its own, over either transport."""
    found: Flow = getattr(ran, request.param)
    return found


# ---- with a CA of its own


def test_the_program_ends_well_and_so_does_the_modem(flow: Flow) -> None:
    said = flow.program.done()
    assert said.rstrip().endswith("Done.")
    assert said.count("Command status: SUCCEEDED") == 3
    assert "Onboarding API call response: 202 - Accepted" in said
    assert flow.modem.returncode == 0, flow.modem.stderr
    assert flow.modem.stdout.endswith("finished\n")


def test_the_device_is_provisioned_with_all_that_the_program_put_on_it(flow: Flow) -> None:
    device = flow.unit.device
    assert device.status == "PROVISIONED"
    listed = device.listed(run="all")[::-1]
    assert [next(iter(one["request"])) for one in listed] == [
        "certificateSigningRequest",
        "clientCertificate",
        "serverCertificate",
        "finished",
    ]
    assert {one["status"] for one in listed} == {"SUCCEEDED"}
    assert [one["description"] for one in listed] == [
        "Generate CSR",
        "Update client cert",
        "Update server cert",
        "Provisioning complete",
    ]


def test_the_modem_has_a_certificate_of_that_ca_for_the_key_it_made(flow: Flow, ran: Flows) -> None:
    store = flow.unit.saved().store
    leaf = x509.load_pem_x509_certificate(store.get(TAG, CLIENT_CERTIFICATE).encode())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(ran.authority.certificate.read_bytes()))
    key = load_pem_private_key(store.get(TAG, CLIENT_KEY).encode(), None)
    assert leaf.public_key() == key.public_key()
    assert leaf.subject.rfc4514_string() == f"CN={flow.unit.modem.id}"
    assert subjects(store.get(TAG, ROOT_CA)) == [AMAZON]


def test_the_certificates_key_lets_the_device_in_after_it(flow: Flow) -> None:
    credentials = flow.unit.owner.get(f"{flow.unit.device.path}/credentials").made()["items"]
    assert [one["kind"] for one in credentials] == ["publicKey"]
    assert flow.unit.http(CloudKey(flow.unit.saved())).get(FIRST) is NOTHING


def test_a_modem_that_makes_no_key_ends_the_program_with_the_reason(ran: Flows) -> None:
    unit, program = ran.failed
    assert program.status != 0
    assert "Command status: FAILED" in program.said
    assert "The modem could not make the key" in program.said
    assert unit.device.status == "ERROR"


# ---- by the rule


def test_the_program_makes_the_rule_once(ran: Flows) -> None:
    (first, began), (second, again) = ran.onboarded
    assert "Creating nRF Cloud Onboarding provisioning rule..." in began.done()
    assert "Creating nRF Cloud Onboarding provisioning rule..." not in again.done()
    for unit, program in ran.onboarded:
        assert "Unclaim device response: 404 - Not Found" in program.said
        assert "Claim device response: 201 - Created" in program.said
        assert program.said.rstrip().endswith("the process over the air.")
        assert unit.device.read()["tags"] == ["nrf-cloud-onboarding"]
    rules = first.owner.get(RULES).made()["items"]
    assert [rule["name"] for rule in rules] == ["nRF Cloud Onboarding"]
    assert second.owner.get("/v1/provisioning/tags").made()["items"][0]["tag"] == "nrf-cloud-onboarding"


def test_first_contact_runs_the_rule_and_the_second_gives_nothing_twice(ran: Flows) -> None:
    unit, _ = ran.onboarded[0]
    device = unit.device
    assert device.listed() == []  # a rule shows nothing before first contact
    done = unit.pull()
    assert (done.failures, done.finished) == ([], False)
    listed = device.listed()
    assert [next(iter(one["request"])) for one in listed] == [
        "clientPrivateKeyGeneration",
        "cloudAccessKeyGeneration",
        "serverCertificate",
    ]
    assert {one["status"] for one in listed} == {"SUCCEEDED"}
    assert device.status == "AWAITING"  # the rule has no `finished`
    assert subjects(unit.modem.store.get(TAG, ROOT_CA)) == [AMAZON, "CN=nRF Cloud"]
    assert unit.pull().responses == []
    assert device.listed() == listed

    device.add(FINISHED)
    assert unit.pull().finished
    assert device.status == "PROVISIONED"


def test_the_key_that_the_rule_had_made_signs_the_device_in(ran: Flows) -> None:
    unit, _ = ran.onboarded[1]
    assert unit.pull().failures == []
    (credential,) = unit.owner.get(f"{unit.device.path}/credentials").made()["items"]
    assert credential["kind"] == "publicKey"
    assert unit.http(CloudKey(unit.modem)).get(FIRST) is NOTHING


def test_an_editors_key_is_enough_once_the_rule_is_there(unit: Unit, ran: Flows) -> None:
    made = unit.owner.post("/v1/api-keys", {"name": "line", "role": "editor"}).made()
    key = ("--api-key", made["key"])
    said = programs.run(unit.service, unit.state, PROGRAM, *key, *ONBOARDING).done()
    assert "Claim device response: 201 - Created" in said


def test_a_device_of_ones_own_is_unclaimed_and_gets_the_rule_anew(unit: Unit, ran: Flows) -> None:
    unit.claim("old")
    said = onboard(unit).done()
    assert "...success" in said
    assert unit.device.read()["tags"] == ["nrf-cloud-onboarding"]
    assert len(unit.pull().responses) == 6


def test_a_roomy_device_is_needed_for_the_rule_and_a_smaller_one_is_told_why(
    new_unit: Callable[..., Unit], ran: Flows
) -> None:
    """Both CA certificates together are 1,792 characters: more than 2,048 bytes hold beside an answer's headers."""
    unit = new_unit()
    unit.claim("nrf-cloud-onboarding")
    unit.pull(SMALLER)
    explained = unit.owner.get(f"{unit.device.path}/explain").made()
    assert explained["status"] == "ERROR"
    assert "larger than the device can receive" in explained["why"]
