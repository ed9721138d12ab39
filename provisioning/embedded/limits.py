"""What the embedded broker allows, in numbers. Pure: every bound of the package has its name here."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backlog:
    """What may wait for one session: messages sent and not acknowledged, and those queued behind them."""

    in_flight: int
    queued: int
    queued_bytes: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the embedded broker. Sizes in bytes, times in seconds."""

    # Above the 64 KiB of WIRE.md 10, so that the service can answer TOO_LARGE; nothing above is read at all.
    packet: int = 128 * 1024
    # Nobody has signed in yet, so ten thousand of these must still fit in memory.
    connect_packet: int = 16 * 1024
    connections: int = 10_000
    # A modem that changes the suffix of its client id leaves half-open sessions; the oldest goes first.
    sessions_per_device: int = 8
    subscriptions: int = 50
    connect_seconds: float = 10
    sign_in_seconds: float = 30
    sign_in_threads: int = 8
    # From the first byte of a packet to its last: 128 KiB at 10 kbit/s, a slow NB-IoT uplink.
    packet_seconds: float = 120
    # What a closed connection may take to read the rest, its CONNACK for example.
    linger_seconds: float = 2
    # QoS 2 packet ids that wait for PUBREL.
    unreleased: int = 100
    # Unacknowledged messages of one device at the service; what comes above is dropped, so that one
    # device cannot fill the queue of all.
    waiting_per_session: int = 1_000
    # QoS 0 messages are dropped while more than this is not yet on the wire.
    unsent_bytes: int = 1024 * 1024
    # A device that acknowledges nothing is gone or broken: past this its connection ends.
    device: Backlog = field(default_factory=lambda: Backlog(100, 1_000, 4 * 1024 * 1024))
    # A service that acknowledges nothing is busy: past this new messages are dropped, devices repeat them.
    service: Backlog = field(default_factory=lambda: Backlog(4_000, 20_000, 64 * 1024 * 1024))
