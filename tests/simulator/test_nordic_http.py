"""Nordic's client over HTTP, against a service that answers with given bytes."""

import pytest

from provisioning.simulator.modem import Modem
from provisioning.simulator.nordic import Ask, Busy, NotClaimed, NotServed, Refused, TooLarge, run
from provisioning.simulator.nordic_codec import Settings
from provisioning.simulator.nordic_http import HttpTransport

from . import nordic_ends as ends
from .nordic_ends import LAST, MADE, canned, http

QUICK = Settings(pace=0.0001)
COMMANDS = bytes.fromhex(ends.COMMANDS_1)


class Signer:
    """Counts its tokens, so that each request is seen to have its own."""

    def __init__(self) -> None:
        self.made = 0

    def jwt(self) -> str:
        self.made += 1
        return f"token-{self.made}"


def got(answer: bytes, settings: Settings = QUICK) -> bytes | None:
    with canned(answer) as service:
        return HttpTransport(service.url, Signer()).get(Ask("", settings))


def reported(answer: bytes) -> None:
    with canned(answer) as service:
        HttpTransport(service.url, Signer()).report(b"\x80", QUICK)


def test_a_whole_run_looks_as_the_librarys_does_on_the_wire() -> None:
    with canned(http("200 OK", COMMANDS), http("200 OK")) as service:
        summary = run(Modem.make(), HttpTransport(service.url, Signer()), QUICK)
    assert summary.finished
    query = "after=&rxMaxSize=2048&txMaxSize=2048&mver=mfw_nrf91x1_2.0.2&cver=v3.1.0&limit=10"
    get, post = (request.decode("latin-1").split("\r\n") for request in service.requests)
    assert get == [
        f"GET /v1/provisioning/commands?{query} HTTP/1.1",
        f"Host: {service.host}",
        "Accept: application/cbor",
        "Content-Type: */*",
        "Authorization: Bearer token-1",
        "User-Agent: Zephyr/4.1.99 (nrf9151dk)",
        "Connection: close",
        *("", ""),
    ]
    assert post == [
        "POST /v1/provisioning/response HTTP/1.1",
        f"Host: {service.host}",
        "Content-Type: application/cbor",
        "Accept: */*",
        "Authorization: Bearer token-2",
        "User-Agent: Zephyr/4.1.99 (nrf9151dk)",
        "Connection: close",
        f"Content-Length: {len(COMMANDS) + 1}",
        "",
        bytes.fromhex(ends.RESPONSES_1).decode("latin-1"),
    ]


def test_an_older_client_says_so() -> None:
    settings = Settings(tells_limit=False, rx=1024, tx=512, mver="2.0.0", cver="1")
    with canned(http("204 No Content")) as service:
        assert HttpTransport(service.url, Signer()).get(Ask(f"{MADE}.s", settings)) is None
    query = f"after={MADE}.s&rxMaxSize=1024&txMaxSize=512&mver=2.0.0&cver=1"
    assert service.requests[0].startswith(f"GET /v1/provisioning/commands?{query} HTTP/1.1\r\n".encode())


def test_204_is_nothing_to_do() -> None:
    assert got(http("204 No Content")) is None


@pytest.mark.parametrize("size", [2047, 2048, 2049])
def test_status_line_headers_body_and_a_nul_must_fit(size: int) -> None:
    empty = len(http("200 OK", b"", "Cache-Control: no-store")) + 3  # the length takes four digits
    answer = http("200 OK", b"x" * (size - empty), "Cache-Control: no-store")
    assert len(answer) == size
    with canned(answer) as service:
        transport = HttpTransport(service.url, Signer())
        if size < 2048:
            assert transport.get(Ask("", QUICK)) == b"x" * (size - empty)
        else:
            with pytest.raises(TooLarge, match=f"{size} bytes"):
                transport.get(Ask("", QUICK))
    assert (transport.received, transport.headers) == (size, empty)


def test_the_buffer_holds_for_the_answer_to_a_report_too() -> None:
    with pytest.raises(TooLarge):
        reported(http("200 OK", b"x" * 2048))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", Refused),
        ("401 Unauthorized", NotClaimed),
        ("403 Forbidden", NotClaimed),
        ("415 Unsupported Media Type", Refused),
        ("429 Too Many Requests", Refused),
        ("500 Internal Server Error", Busy),
        ("503 Service Unavailable", Refused),
        ("302 Found", Refused),
        ("201 Created", Refused),
    ],
)
def test_only_500_means_try_again(status: str, kind: type[NotServed]) -> None:
    for call in (got, reported):
        with pytest.raises(NotServed, match=f"{status[:3]}: why") as refusal:
            call(http(status, b"why"))
        assert type(refusal.value) is kind


def test_a_report_is_stored_by_200_alone() -> None:
    reported(http("200 OK"))
    with pytest.raises(Refused, match="204"):
        reported(http("204 No Content"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        http("200 OK", COMMANDS)[:-1],
        http("200 OK", COMMANDS, "Content-Encoding: gzip"),
    ],
)
def test_an_answer_that_is_broken_or_compressed_is_refused(answer: bytes) -> None:
    with pytest.raises(Refused):
        got(answer)


def test_a_service_that_does_not_answer_in_time_is_busy() -> None:
    with canned(None) as service, pytest.raises(Busy, match=r"in 0\.2 s"):
        HttpTransport(service.url, Signer(), timeout=0.2).get(Ask("", QUICK))


def test_a_busy_service_is_asked_again() -> None:
    with canned(http("500 Oh"), http("200 OK", COMMANDS), http("500 Oh"), http("204 None")) as service:
        summary = run(Modem.make(), HttpTransport(service.url, Signer()), QUICK)
    assert (summary.finished, summary.polls) == (False, 3)
    assert f"after={LAST}&".encode() in service.requests[3]


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://a", "http://", "http://a/v1", "http://a:x"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(ValueError, match="use http://host:port"):
        HttpTransport(url, Signer())
