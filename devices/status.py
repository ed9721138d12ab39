"""The six words for a device's condition. They are computed in `commands.status` and nowhere assigned."""

from enum import StrEnum


class Status(StrEnum):
    """What REST, the wire, the admin and the database call a device's condition."""

    READY = "READY"
    PROVISIONING = "PROVISIONING"
    AWAITING = "AWAITING"
    PROVISIONED = "PROVISIONED"
    ERROR = "ERROR"
    BLOCKED = "BLOCKED"


class Ownership(StrEnum):
    """What a device's being here says of who has it. Only UNPROVEN gives way to another tenant's proven claim."""

    DEFINED = "DEFINED"
    IDENTIFIED = "IDENTIFIED"
    UNPROVEN = "UNPROVEN"


class ProvisioningState(StrEnum):
    """How far a device has come from the factory to its user; never back."""

    DEFINED = "defined"
    ACTIVATED = "activated"
    ASSOCIATED = "associated"
