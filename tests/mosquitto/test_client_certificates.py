"""A device signs in with the certificate that Keyseed issued to it, and with no other; see docs/deployment.md.

On the shipped mosquitto.conf with its block for certificates opened, over real TLS.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from commands import services
from devices import certificates, credentials
from devices import services as device_services
from devices.models import Credential, DeviceCA, OutboxRow
from pki import device_ca
from provisioning import takeover
from tests.mosquitto.certified import (
    SECONDS,
    TLS,
    Certified,
    certify,
    eventually,
    opened,
    prepare,
    request,
    save,
    save_key,
    told,
    trusting,
)
from tests.mosquitto.conftest import PASSWORD, Installation, Owned
from tests.pipeline.cast import WHO
from tests.pipeline.running import Running
from tests.pki.make import Issued, issue, p256
from tests.servers import ports
from tests.servers.mosquitto import Mosquitto
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, redis: Redis) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("mosquitto")
    prepare(folder)
    with Mosquitto(folder, opened(), users={"gateway": PASSWORD}, acl="") as broker:
        yield Installation(broker)


Certify = Callable[..., Certified]


@pytest.fixture
def make(installation: Installation, tmp_path: Path) -> Certify:
    """Orders certificates; their files are in a folder of their own."""
    count = iter(range(100))
    return lambda owned, **options: certify(owned, installation, tmp_path / str(next(count)), **options)


@pytest.fixture
def device(
    healthy: Owned, neighbour: Owned, make: Certify, jobs: Running, installation: Installation
) -> Certified:
    """In a fleet of two, in whose files it is."""
    made = make(healthy)
    installation.fill()
    return made


def block(one: Certified) -> None:
    services.block(one.owned.device.tenant_id, one.owned.device.id, WHO)


def unblock(one: Certified) -> None:
    services.unblock(one.owned.device.tenant_id, one.owned.device.id, WHO)


def unclaim(one: Certified) -> None:
    device_services.delete(one.owned.device.tenant_id, one.owned.device.id)


def revoke(one: Certified) -> None:
    assert one.credential
    with transaction.atomic():
        credentials.revoke(one.owned.device.tenant_id, one.owned.device.id, one.credential, WHO)


# ---- who is let in, and where to


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_it_signs_in_without_a_password_and_reaches_its_own_topics_only(
    device: Certified, neighbour: Owned, installation: Installation, version: str
) -> None:
    own, other = device.owned, neighbour
    with installation.gateway("prov/v1/#") as service:
        for topic in (
            other.topic("json/get"),
            own.topic("json/commands"),
            "elsewhere",
            own.topic("json/get"),
        ):
            with device.signed_in(version=version) as session:
                session.publish(topic)
        assert service.hears(own.topic("json/get"))
        assert set(service.topics()) - {own.topic("notify")} == {own.topic("json/get")}
        filters = ("#", "prov/v1/#", f"{other.topic('')}#", f"{own.topic('')}#")
        with device.signed_in(*filters, version=version) as session:
            service.publish(other.topic("json/commands"))
            service.publish(own.topic("json/commands"))
            assert session.hears(own.topic("json/commands"))
            assert set(session.topics()) - {own.topic("notify")} == {own.topic("json/commands")}


def test_whatever_its_request_and_its_client_say_it_is_itself(
    device: Certified, neighbour: Owned, make: Certify, installation: Installation
) -> None:
    greedy = make(device.owned, name=neighbour.id)
    leaf = x509.load_pem_x509_certificate((greedy.folder / "chain.pem").read_bytes())
    assert leaf.subject.rfc4514_string() == f"CN={device.id}"
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert greedy.let_in()
    with neighbour.signed_in() as other:
        session = greedy.session(client_id=neighbour.id)
        assert session.open()
        time.sleep(0.2)
        assert other.alive, "its client id is its own"
        session.close()


def minted(device: Certified, authority: Issued, folder: Path, name: str) -> Certified:
    """A certificate with this CN that somebody else's CA issued."""
    now = timezone.now()
    leaf = issue(name, authority, begin=now - timedelta(days=1), end=now + timedelta(days=1))
    folder.mkdir()
    save(folder / "chain.pem", leaf.certificate, authority.certificate)
    save_key(folder / "key.pem", leaf.key)
    return Certified(device.owned, device.installation, folder)


def test_a_certificate_in_its_name_under_a_tenants_ca_is_refused(device: Certified, tmp_path: Path) -> None:
    now = timezone.now()
    tenants = issue("Tenant's CA", ca=True, begin=now - timedelta(days=1), end=now + timedelta(days=9))
    assert minted(device, tenants, tmp_path / "minted", device.id).refused()
    ours = x509.load_pem_x509_certificate(DeviceCA.objects.get().certificate.encode())
    name = ours.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    forged = issue(str(name), ca=True, begin=now - timedelta(days=1), end=now + timedelta(days=9))
    assert minted(device, forged, tmp_path / "forged", device.id).refused()
    assert not device.refused()


def test_a_devices_certificate_is_no_ca(device: Certified, neighbour: Owned, tmp_path: Path) -> None:
    own = x509.load_pem_x509_certificates((device.folder / "chain.pem").read_bytes())
    key = p256()
    save_key(tmp_path / "own.pem", key)
    with transaction.atomic():
        made = credentials.add_certificate(
            device.owned.device.tenant_id, device.owned.device.id, request(key), 30, 3600, WHO
        )
    leaf = x509.load_pem_x509_certificate(made.credential.certificate.encode())
    below = minted(device, Issued(leaf, key), tmp_path / "below", neighbour.id)
    save(below.folder / "chain.pem", *_chain(below), own[1])
    assert below.refused()


def _chain(one: Certified) -> Sequence[x509.Certificate]:
    return x509.load_pem_x509_certificates((one.folder / "chain.pem").read_bytes())


def test_without_a_certificate_a_password_is_no_way_in(device: Certified) -> None:
    assert told(device.installation, trusting(device.installation))
    with device.owned.signed_in() as session:
        assert session.alive, "on the other listener it is"


def test_one_that_has_expired_is_refused(
    device: Certified, installation: Installation, tmp_path: Path
) -> None:
    past = timezone.now() - timedelta(days=2)
    ca = certificates._opened(certificates.rotate(past))
    installation.fill()
    key = p256()
    save_key(tmp_path / "key.pem", key)

    def shows(days: int) -> Certified:
        made = device_ca.issue(ca.certificate, ca.key, request(key), device.owned.device.id, past, days)
        save(tmp_path / "chain.pem", made, ca.certificate)
        return Certified(device.owned, installation, tmp_path)

    assert shows(3).let_in()
    assert shows(1).refused()


# ---- what its owner does


@pytest.mark.parametrize("does", [block, unclaim, revoke])
def test_the_session_ends_within_two_seconds_and_does_not_come_back(
    device: Certified, neighbour: Owned, make: Certify, does: Callable[[Certified], None]
) -> None:
    other = make(neighbour)
    with device.signed_in() as session, other.signed_in() as alive:
        does(device)
        assert session.ended(SECONDS)
        assert device.refused()
        time.sleep(0.2)
        assert alive.alive
    assert device.refused()
    assert other.let_in()


def test_an_unblocked_device_gets_in_again(device: Certified) -> None:
    block(device)
    assert device.shut_out()
    unblock(device)
    assert device.let_in()


def test_no_tls_ticket_leads_past_the_list(device: Certified) -> None:
    context = device.context
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    address = (ports.HOST, device.installation.broker.ports[TLS])
    with context.wrap_socket(socket.create_connection(address)) as first:
        ticket = first.session
    with context.wrap_socket(socket.create_connection(address), session=ticket) as again:
        assert again.session_reused
    revoke(device)
    assert device.shut_out()
    with pytest.raises(ssl.SSLError, match="revoked"):
        context.wrap_socket(socket.create_connection(address), session=ticket)


def test_a_new_one_replaces_the_old_one_at_once_or_after_its_overlap(
    device: Certified, make: Certify
) -> None:
    second = make(device.owned)
    assert second.let_in()
    assert device.shut_out()
    assert eventually(lambda: not OutboxRow.objects.exists()), "the first one's kick is over"
    third = make(device.owned, overlap=2)
    assert third.let_in()
    assert second.let_in(), "both are good for these two seconds"
    with second.signed_in() as session:
        assert session.ended(2 + SECONDS)
    assert second.refused()
    assert third.let_in()


def test_a_kick_costs_a_device_with_a_password_a_reconnect_and_no_more(
    device: Certified, neighbour: Owned
) -> None:
    with device.owned.signed_in() as session, neighbour.signed_in() as other:
        revoke(device)
        assert session.ended(SECONDS), "one device, one session, whatever opened it"
        with device.owned.signed_in() as again:
            time.sleep(0.5)
            assert again.alive
            assert other.alive


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_sessions_are_taken_over_in_either_version_and_only_with_the_services_password(
    device: Certified, installation: Installation, version: str
) -> None:
    with device.signed_in() as session:
        wrong = installation.url.replace(PASSWORD, "wrong")
        with pytest.raises(takeover.NotEnded, match="does not let the service in"):
            takeover.end_sessions(wrong, [device.owned.device.id])
        assert session.alive
        takeover.end_sessions(f"{installation.url}?version={version}", [device.owned.device.id])
        assert session.ended(SECONDS)


def test_a_new_ca_takes_over_while_the_old_one_is_trusted(device: Certified, make: Certify) -> None:
    call_command("device_ca", "new", verbosity=0)
    newer = make(device.owned, overlap=60)
    assert newer.let_in()
    assert device.let_in()
    revoke(device)
    assert device.shut_out()
    assert newer.let_in()
    assert len({cert.subject for cert in (_chain(device)[1], _chain(newer)[1])}) == 2


def test_openssl_takes_the_files_as_mosquitto_does(
    device: Certified, neighbour: Owned, make: Certify
) -> None:
    other = make(neighbour)
    block(device)
    assert device.shut_out()
    folder = device.installation.broker.folder
    ca, crl = str(folder / "device_ca.pem"), str(folder / "crl.pem")

    def verify(one: Certified) -> str:
        command = [
            "openssl",
            "verify",
            "-crl_check",
            "-CAfile",
            ca,
            "-CRLfile",
            crl,
            str(one.folder / "chain.pem"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    assert "OK" in verify(other)
    assert "certificate revoked" in verify(device)
    shown = subprocess.run(
        ["openssl", "crl", "-in", crl, "-CAfile", ca, "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in shown.stderr + shown.stdout
    assert "Certificate Hold" in shown.stdout
    assert Credential.objects.filter(kind="certificate").count() == 2
