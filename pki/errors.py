"""A refusal says what is wrong and what to do, and repeats nothing secret of what it refuses."""

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

# What cryptography raises for input that it cannot read (InternalError: DH parameters of odd sizes).
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InternalError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class Invalid(ValueError):
    """Something a person or a device sent cannot be taken.

    `reason` is one or more full sentences for whoever sent it. It holds no content of keys, passwords
    or PEM blocks, so it may be shown, logged and stored.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
