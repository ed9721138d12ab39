"""What Nordic's provisioning library sends and receives, in bytes: flat CBOR arrays. No I/O.

Source: the CDDL of nrf_provisioning in the nRF Connect SDK; WIRE.md 8.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2

AT, CONFIG, FINISHED = 0, 1, 2
ERROR, AT_REPLY, CONFIG_ACK, FINISHED_ACK = 99, 100, 101, 102

MAX_CORRELATION = 45  # characters; its buffer takes one more, for the NUL
MAX_IGNORED = 6
MAX_PAIRS = 10


class Undecodable(ValueError):
    """The library refuses to take these commands; none of them is done. The text says which rule they break."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the library was built, sizes in bytes.

    `records`: the most commands that it takes at a time. `tells_limit`: whether it says so; older versions
    do not. `rx`, `tx`: its buffers; an HTTP answer must fit with its headers and a NUL. `at_cmd_len`: the
    buffer for one AT line and its NUL. `serial_modem_style`: its responses have indefinite lengths.
    `plain_error_passes`: it takes an ERROR without a CME code for a reply like any other.
    `first_backoff`, `longest_backoff`, `interval`: waits in seconds, all multiplied by `pace`.
    """

    records: int = 10
    tells_limit: bool = True
    rx: int = 2048
    tx: int = 2048
    at_cmd_len: int = 1792
    serial_modem_style: bool = False
    plain_error_passes: bool = False
    mver: str = "mfw_nrf91x1_2.0.2"
    cver: str = "v3.1.0"
    first_backoff: float = 30
    longest_backoff: float = 86_400
    interval: float = 86_400
    pace: float = 1


DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class AtCommand:
    """One AT command; a CME code among `ignored` counts as success."""

    id: str
    name: str
    parameters: str
    ignored: tuple[int, ...] = ()

    @property
    def line(self) -> str:
        """What the modem is told."""
        return f"AT{self.name}={self.parameters}"


@dataclass(frozen=True, slots=True)
class Config:
    """Pairs for the settings of the application."""

    id: str
    pairs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of provisioning."""

    id: str


Command = AtCommand | Config | Finished

# As on the wire: correlation id, kind and, for 100, a reply, for 99, a CME code or 0 and a reply.
Response = tuple[str, int] | tuple[str, int, str] | tuple[str, int, int, str]


def decode(payload: bytes, settings: Settings = DEFAULTS) -> list[Command]:
    """The commands. Raises Undecodable."""
    items = _canonical(payload)
    if not isinstance(items, list) or not items:
        raise Undecodable("The payload is no array with commands in it; no commands are no payload, not 80.")
    if len(items) > settings.records:
        raise Undecodable(f"{len(items)} commands are more than the {settings.records} that it has room for.")
    return [_command(item, settings) for item in items]


def encode(responses: Sequence[Response], *, serial_modem_style: bool = False) -> bytes:
    """The responses; with indefinite lengths in the style of the serial modem."""
    return cbor2.dumps(responses, indefinite_containers=serial_modem_style)


def _canonical(payload: bytes) -> Any:
    try:
        value = cbor2.loads(payload, allow_indefinite=False)
        again = cbor2.dumps(value)
    except (ValueError, TypeError, EOFError, RecursionError, cbor2.CBORError) as error:
        raise Undecodable(f"The payload is no CBOR of definite lengths: {error}") from error
    if again != payload:
        raise Undecodable("An integer or a length is not in its shortest form, or something stands too much.")
    return value


def _command(item: object, settings: Settings) -> Command:
    match item:
        case [str(correlation), int(kind), *rest] if not isinstance(kind, bool):
            if not 0 < len(correlation.encode()) <= MAX_CORRELATION:
                raise Undecodable(f"A correlation id has {len(correlation)} characters, not 1 to 45.")
        case _:
            raise Undecodable("A command does not begin with a correlation id and a kind.")
    match kind, rest:
        case (0, [str(name), str(parameters), list(ignored)]):
            return _at(AtCommand(correlation, name, parameters, _codes(ignored)), settings)
        case (1, [dict(pairs)]):
            return Config(correlation, _pairs(pairs))
        case (2, []):
            return Finished(correlation)
    raise Undecodable(f"{correlation} is none of the kinds 0, 1 and 2, or has other fields than its kind.")


def _at(command: AtCommand, settings: Settings) -> AtCommand:
    length = len(command.line.encode())
    if length + 1 > settings.at_cmd_len:
        raise Undecodable(
            f"{command.id} makes an AT line of {length} bytes and a NUL, over {settings.at_cmd_len}."
        )
    return command


def _codes(ignored: list[Any]) -> tuple[int, ...]:
    if len(ignored) > MAX_IGNORED:
        raise Undecodable(f"{len(ignored)} codes to ignore are more than {MAX_IGNORED}.")
    if not all(isinstance(code, int) and not isinstance(code, bool) and code >= 0 for code in ignored):
        raise Undecodable("A code to ignore is no unsigned integer.")
    return tuple(ignored)


def _pairs(pairs: dict[Any, Any]) -> dict[str, str]:
    if len(pairs) > MAX_PAIRS:
        raise Undecodable(
            f"A configuration of {len(pairs)} pairs is over the {MAX_PAIRS} that there is room for."
        )
    if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        raise Undecodable("A configuration is not of text and text.")
    return pairs
