"""One post to a webhook: where it connects to, whom it believes, and how long it takes at most."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from devices import hook_addresses
from provisioning import hook_client
from provisioning.hook_client import ANSWER_MOST, SECONDS, Client, NotTaken
from tests.pipeline import receivers
from tests.pipeline.receivers import HERE, Authority, Behaviour, Receiver

OWN = ["127.0.0.0/8", "::1/128"]
NAME = "hooks.example.com"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.server(*HERE)


@pytest.fixture
def start(tls: ssl.SSLContext) -> Iterator[Callable[..., Receiver]]:
    with ExitStack() as stack:
        yield lambda behave, tls=tls, address="127.0.0.1": stack.enter_context(
            receivers.receiver(behave, tls, address)
        )


def client(authority: Authority | None, *allowed: str) -> Client:
    context = ssl.create_default_context()
    if authority is not None:
        context.load_verify_locations(authority.file)
    return Client(hook_addresses.networks(allowed), context)


def refused(sender: Client, url: str) -> str:
    """Why it was not taken."""
    with pytest.raises(NotTaken) as error:
        sender.post(url, b"{}", {})
    return str(error.value)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What names resolve to, one answer after the other, the last one for good; without any it takes its time."""
    book: dict[str, list[list[str]]] = {}
    genuine = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host not in book:
            return genuine(host, port, *rest, **more)
        if not book[host]:
            time.sleep(8)
            return []
        found = book[host].pop(0) if len(book[host]) > 1 else book[host][0]
        return [one for address in found for one in genuine(address, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return book


# ---- what is sent


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_it_is_posted_as_it_is(start: Callable[..., Receiver], authority: Authority, address: str) -> None:
    here = start(receivers.says(receivers.OK), address=address)
    client(authority, *OWN).post(here.url, b'{"a":1}', {"Keyseed-Event-Id": "x"})
    (heard,) = here.heard
    assert heard.head == "POST /hook?from=keyseed HTTP/1.1"
    assert heard.body == b'{"a":1}'
    assert heard.headers == {
        "host": here.url.split("/")[2],
        "user-agent": "keyseed",
        "content-type": "application/json",
        "content-length": "7",
        "connection": "close",
        "keyseed-event-id": "x",
    }


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_every_2xx_takes_it(start: Callable[..., Receiver], authority: Authority, code: int) -> None:
    client(authority, *OWN).post(start(receivers.status(code)).url, b"{}", {})


@pytest.mark.parametrize("code", [101, 400, 401, 404, 410, 500, 503])
def test_no_other_status_takes_it(start: Callable[..., Receiver], authority: Authority, code: int) -> None:
    assert f"answered {code}" in refused(client(authority, *OWN), start(receivers.status(code)).url)


@pytest.mark.parametrize("code", [300, 301, 302, 303, 307, 308])
def test_redirects_are_not_followed(start: Callable[..., Receiver], authority: Authority, code: int) -> None:
    elsewhere = start(receivers.says(receivers.OK))
    here = start(receivers.status(code, f"Location: {elsewhere.url}"))
    assert "redirects are not followed" in refused(client(authority, *OWN), here.url)
    assert elsewhere.connections == 0


def test_no_proxy_of_the_environment_is_used(
    start: Callable[..., Receiver], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, here = start(receivers.sleeps, tls=None), start(receivers.says(receivers.OK))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    client(authority, *OWN).post(here.url, b"{}", {})
    assert (proxy.connections, len(here.heard)) == (0, 1)


# ---- bad receivers


BAD: dict[str, tuple[Behaviour, str]] = {
    "closes": (lambda stream: None, "not HTTP"),
    "speaks something else": (receivers.says(b"220 mail.example.com ESMTP\r\n"), "not HTTP"),
    "sends bytes": (receivers.says(bytes(range(256)) * 10), "not HTTP"),
    "never ends its head": (receivers.says(b"HTTP/1.1 200 OK\r\n" + b"A: " + b"a" * 200_000), "too long"),
    "sends many headers": (receivers.says(b"HTTP/1.1 200 OK\r\n" + b"A: a\r\n" * 200), "not HTTP"),
    "goes on with 100": (receivers.says(b"HTTP/1.1 100 Continue\r\n\r\n" * 9_000), "too long"),
}


@pytest.mark.parametrize(("behave", "why"), BAD.values(), ids=list(BAD))
def test_an_answer_that_is_none_does_not_take_it(
    start: Callable[..., Receiver], authority: Authority, behave: Behaviour, why: str
) -> None:
    assert why in refused(client(authority, *OWN), start(behave).url)


def test_it_takes_five_seconds_at_most(
    start: Callable[..., Receiver], authority: Authority, names: dict[str, list[list[str]]]
) -> None:
    """Whatever is slow: the answer, each byte of it, its body, the handshake, the resolver."""
    names["slow.example.com"] = []
    mute = start(lambda stream: time.sleep(30), tls=None)
    slow = [start(behave) for behave in (receivers.sleeps, receivers.drips, receivers.drips_body)]
    urls = [*(one.url for one in [*slow, mute]), "https://slow.example.com/"]

    def post(url: str) -> tuple[str, float]:
        began = time.monotonic()
        return refused(client(authority, *OWN), url), time.monotonic() - began

    with ThreadPoolExecutor(len(urls)) as pool:
        told = list(pool.map(post, urls))
    assert [why for why, _ in told] == ["It did not answer whole within 5 s."] * len(urls)
    assert all(SECONDS - 0.5 < took < SECONDS + 1 for _, took in told), told


def test_of_a_huge_answer_64_kib_are_read(start: Callable[..., Receiver], authority: Authority) -> None:
    sent: list[int] = []

    def pour(stream: socket.socket) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
        for _ in range(160):
            stream.sendall(b"a" * 65_536)
            sent.append(65_536)

    began = time.monotonic()
    client(authority, *OWN).post(start(pour).url, b"{}", {})
    assert time.monotonic() - began < 2
    time.sleep(0.2)
    assert sum(sent) < 10_485_760, f"all of it was taken, although {ANSWER_MOST} bytes are enough"


def test_a_closed_port_is_told(start: Callable[..., Receiver], authority: Authority) -> None:
    gone = start(receivers.says(receivers.OK))
    gone.close()
    assert "Connection refused" in refused(client(authority, *OWN), gone.url)


# ---- whom it believes


def test_a_certificate_of_an_unknown_ca_is_refused(start: Callable[..., Receiver]) -> None:
    here = start(receivers.says(receivers.OK))
    assert "certificate is not accepted" in refused(client(None, *OWN), here.url)
    assert here.heard == []


def test_a_certificate_of_another_name_is_refused(
    start: Callable[..., Receiver], authority: Authority, names: dict[str, list[list[str]]]
) -> None:
    other = start(receivers.says(receivers.OK), tls=authority.server("other.example.com"))
    names[NAME] = [["127.0.0.1"]]
    told = refused(client(authority, *OWN), f"https://{NAME}:{other.port}/")
    assert "Hostname mismatch" in told
    assert other.heard == []


def test_plain_http_behind_https_is_refused(start: Callable[..., Receiver], authority: Authority) -> None:
    assert "TLS failed" in refused(client(authority, *OWN), start(receivers.says(receivers.OK), tls=None).url)


def test_the_settings_say_whom_it_believes(
    start: Callable[..., Receiver], authority: Authority, settings: Settings
) -> None:
    settings.KEYSEED_WEBHOOK_ALLOW, settings.KEYSEED_WEBHOOK_CA = OWN, str(authority.file)
    made = hook_client.configured()
    assert made.tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert (made.tls.check_hostname, made.tls.verify_mode) == (True, ssl.CERT_REQUIRED)
    made.post(start(receivers.says(receivers.OK)).url, b"{}", {})
    settings.KEYSEED_WEBHOOK_CA = ""
    assert "certificate" in refused(hook_client.configured(), start(receivers.says(receivers.OK)).url)


# ---- where it connects to


def test_a_name_is_resolved_once_and_that_address_is_connected_to(
    start: Callable[..., Receiver], authority: Authority, names: dict[str, list[list[str]]]
) -> None:
    """Its second answer leads to another receiver, which a second question would find."""
    first = start(receivers.says(receivers.OK))
    names[NAME] = [["127.0.0.1"], ["127.0.0.2"]]
    client(authority, "127.0.0.1/32").post(f"https://{NAME}:{first.port}/", b"{}", {})
    assert names[NAME] == [["127.0.0.2"]]
    assert len(first.heard) == 1
    told = refused(client(authority, "127.0.0.1/32"), f"https://{NAME}:{first.port}/")
    assert "not one of the public internet" in told


PRIVATE = ["127.0.0.1", "10.0.0.7", "169.254.169.254", "192.168.0.1", "::1", "::ffff:127.0.0.1", "fd00::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_not_connected_to(
    start: Callable[..., Receiver], authority: Authority, names: dict[str, list[list[str]]], address: str
) -> None:
    here = start(receivers.says(receivers.OK))
    names[NAME] = [[address]]
    told = refused(client(authority), f"https://{NAME}:{here.port}/")
    assert "not one of the public internet" in told
    assert address not in told
    assert here.connections == 0


def test_one_address_inside_is_enough_to_refuse_all(
    start: Callable[..., Receiver], authority: Authority, names: dict[str, list[list[str]]]
) -> None:
    here = start(receivers.says(receivers.OK))
    names[NAME] = [["127.0.0.1", "10.0.0.7"]]
    assert "public internet" in refused(client(authority, *OWN), f"https://{NAME}:{here.port}/")
    assert here.connections == 0


def test_of_several_addresses_the_first_that_answers_is_taken(
    start: Callable[..., Receiver], authority: Authority, names: dict[str, list[list[str]]]
) -> None:
    here = start(receivers.says(receivers.OK))
    names[NAME] = [["127.0.0.2", "127.0.0.1"]]
    client(authority, *OWN).post(f"https://{NAME}:{here.port}/", b"{}", {})
    assert len(here.heard) == 1


def test_a_name_that_is_none_is_told(authority: Authority, names: dict[str, list[list[str]]]) -> None:
    names[NAME] = [[]]
    assert "does not resolve" in refused(client(authority), f"https://{NAME}/")


def test_a_url_is_checked_again_before_it_is_used(
    start: Callable[..., Receiver], authority: Authority
) -> None:
    here = start(receivers.says(receivers.OK))
    assert "public internet" in refused(client(authority), here.url)
    assert "https://" in refused(client(authority, *OWN), here.url.replace("https", "http"))
    assert here.connections == 0
