"""The other ends of Nordic's client: a modem that says what it is told to, a service that does, and vectors."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from provisioning.simulator.nordic import Ask
from provisioning.simulator.nordic_codec import Settings

LAST = "9685ef84-8cac-4257-b5cc-94bc416a1c1d.d"
MADE = "89ed369b-0fed-4194-a703-aabb7fe8130b.e"
ENDORSED = "80b8095e-2714-459e-bd8b-3745d8410a18.f"
CONFIGURED = "e5256918-aba9-4d12-8b87-f2c07affec5d.14"

# The vectors of the nRF Connect SDK's own tests.
COMMANDS_1 = "8182782639363835656638342d386361632d343235372d623563632d3934626334313661316331642e6402"
RESPONSES_1 = "8182782639363835656638342d386361632d343235372d623563632d3934626334313661316331642e641866"
COMMANDS_2 = (
    "8285782838396564333639622d306665642d343139342d613730332d6161626237666538313330622e652e7300652543"
    "4d4e476c332c31363834323735332c328119020185782638396564333639622d306665642d343139342d613730332d61"
    "61626237666538313330622e650067254b455947454e6c31363834323735332c322c3180"
)
RESPONSES_2 = (
    "8283782838396564333639622d306665642d343139342d613730332d6161626237666538313330622e652e7318646083"
    "782638396564333639622d306665642d343139342d613730332d6161626237666538313330622e65186460"
)
RESPONSES_2_FAILED = (
    "8184782838396564333639622d306665642d343139342d613730332d6161626237666538313330622e652e73186319020260"
)
COMMANDS_3 = (
    "8185782638306238303935652d323731342d343539652d626438622d3337343564383431306131382e660067254b4559"
    "47454e6c31363834323735332c382c3180"
)
RESPONSES_3 = "8183782638306238303935652d323731342d343539652d626438622d3337343564383431306131382e66186460"
RESPONSES_3_FAILED = (
    "8184782638306238303935652d323731342d343539652d626438622d3337343564383431306131382e66186300654552524f52"
)
COMMANDS_4 = (
    "8183782765353235363931382d616261392d346431322d386238372d6632633037616666656335642e313401a1781970"
    "726f766973696f6e696e672f696e74657276616c2d736563623939"
)
RESPONSES_4 = "8182782765353235363931382d616261392d346431322d386238372d6632633037616666656335642e31341865"
# Made to show the form; the serial modem's.
INDEFINITE_ACK = (
    "9f9f782639363835656638342d386361632d343235372d623563632d3934626334313661316331642e641866ffff"
)
INDEFINITE_ERROR = (
    "9f9f782639363835656638342d386361632d343235372d623563632d3934626334313661316331642e64186319020865"
    "4552524f52ffff"
)


@dataclass
class Scripted:
    """A modem that gives these replies in turn, then empty ones; the radio answers by itself."""

    replies: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def at(self, line: str) -> str:
        self.lines.append(line)
        if line.startswith("AT+CFUN"):
            return "OK\r\n"
        return self.replies.pop(0) if self.replies else ""


@dataclass
class Table:
    """A transport over nothing: `answers` to `get` and `stored` to `report`, in turn; then nothing to do."""

    answers: list[bytes | Exception | None] = field(default_factory=list)
    stored: list[Exception | None] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    reported: list[bytes] = field(default_factory=list)

    def get(self, ask: Ask) -> bytes | None:
        self.asked.append(ask)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def report(self, responses: bytes, settings: Settings) -> None:
        self.reported.append(responses)
        answer = self.stored.pop(0) if self.stored else None
        if answer is not None:
            raise answer


class Canned:
    """An HTTP service that answers each connection with the next of these bytes, and keeps what it was sent."""

    def __init__(self, answers: Sequence[bytes | None]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.url = f"http://{self.host}"
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        for answer in self.answers:
            connection, _ = self.socket.accept()
            with connection:
                self.requests.append(_request(connection))
                if answer is None:  # no answer: until the client has enough of it
                    connection.recv(1)
                else:
                    connection.sendall(answer)


def _request(connection: socket.socket) -> bytes:
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += connection.recv(65_536)
    head, _, body = raw.partition(b"\r\n\r\n")
    length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def canned(*answers: bytes | None) -> Iterator[Canned]:
    service = Canned(answers)
    service.thread.start()
    try:
        yield service
        service.thread.join(10)
        assert not service.thread.is_alive(), "not every answer was asked for"
    finally:
        service.socket.close()


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", "")
    return "\r\n".join(lines).encode() + body
