"""Commands as a modem understands them: AT lines, each with the errors that do no harm (WIRE.md 8.2).

The table is the whole mapping. Texts stand between double quotes in a line, and have no way to hold one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from provisioning.wire import outbound
from provisioning.wire.errors import Unfit


@dataclass(frozen=True, slots=True)
class Line:
    """`AT<command>=<parameters>`; `ignored` are the CME error codes that count as success.

    In the table `parameters` has the names of params in braces. `output`: the modem answers with what it made.
    """

    command: str
    parameters: str = field(repr=False)
    ignored: tuple[int, ...] = ()
    output: bool = False

    @property
    def size(self) -> int:
        """The bytes of the line."""
        return len(f"AT{self.command}={self.parameters}".encode())


_CA, _CERTIFICATE, _PRIVATE_KEY, _PSK, _PSK_IDENTITY = range(5)
_NOT_FOUND: Final = 513


def _delete(kind: int) -> Line:
    # A slot that is in use would refuse what comes next.
    return Line("%CMNG", f"3,{{secTag}},{kind}", (_NOT_FOUND,))


def _write(kind: int, *params: str) -> Line:
    return Line("%CMNG", f"0,{{secTag}},{kind}," + ",".join(f'"{{{name}}}"' for name in params))


def _generate(rest: str) -> Line:
    return Line("%KEYGEN", f"{{secTag}},2,{rest}", output=True)


LINES: Final[Mapping[str, tuple[Line, ...]]] = MappingProxyType(
    {
        "clientPrivateKeyGeneration": (_delete(_PRIVATE_KEY), _generate("1")),
        "cloudAccessKeyGeneration": (_delete(_PRIVATE_KEY), _generate("0")),
        "certificateSigningRequest": (
            _delete(_PRIVATE_KEY),
            _generate('0,"{attributes}","{keyUsage}"'),
        ),
        "serverCertificate": (_delete(_CA), _write(_CA, "content")),
        "clientCertificate": (_delete(_CERTIFICATE), _write(_CERTIFICATE, "content")),
        "clientPrivateKey": (_delete(_PRIVATE_KEY), _write(_PRIVATE_KEY, "content", "password")),
        "preSharedKey": (
            _delete(_PSK),
            _delete(_PSK_IDENTITY),
            _write(_PSK_IDENTITY, "identity"),
            _write(_PSK, "secret"),
        ),
    }
)
"""What a modem does for each type of command, in this order. `config` and `finished` are not the modem's."""

_UNFIT: Final = re.compile('[\x00-\x1f\x7f"\ud800-\udfff]')
_UNFIT_IN_PEM: Final = re.compile('[\x00-\x09\x0b-\x1f\x7f"\ud800-\udfff]')


def lines(type: str, params: Mapping[str, object]) -> tuple[Line, ...]:
    """The AT lines of a command of a type in `LINES`.

    Raises Unfit for a text that has no way into a line, TypeError for what is neither text nor an integer.
    """
    fit = {name: _fit(name, outbound.param(value)) for name, value in params.items()}
    return tuple(
        Line(line.command, line.parameters.format_map(fit), line.ignored, line.output) for line in LINES[type]
    )


def _fit(name: str, value: str | int) -> str | int:
    if isinstance(value, str) and (_UNFIT_IN_PEM if name == "content" else _UNFIT).search(value):
        breaks = "" if name == "content" else "line breaks, "
        raise Unfit(
            f"{name} cannot go into a modem's command line. Send it without {breaks}control characters and \"."
        )
    return value
