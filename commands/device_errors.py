"""What the error numbers of devices and of their modems mean, as data. Source: WIRE.md 3.1."""

from __future__ import annotations

import re
from collections.abc import Mapping

DEVICE_CODES: Mapping[int, str] = {
    1: "the device does not support this command",
    2: "the device refused a parameter",
    3: "the device has no room for it",
    4: "the device refused the key or certificate",
    5: "the device could not store it",
}
"""What the device's error numbers mean; 100 to 999 are the modem's own (CME)."""

MODEM_CODES: Mapping[int, str] = {
    0: "It gave no error number of its modem: look at the device's log and at the values of the command.",
    50: "The modem does not take one of the values: skip it and add a corrected one.",
    51: "The modem has this function switched off: bring it into a mode that has it, then reset the command.",
    513: "The modem has nothing in that slot: store what is missing, then reset the command, or use another secTag.",
    514: "The modem allows no access to that slot: use another secTag.",
    515: "The modem's memory is full: delete credentials that are not used, then reset the command.",
    518: "The modem is active, and does that offline only: have the device take it offline (AT+CFUN=4).",
    519: "The modem has one in that slot already: delete it on the device, or use another secTag.",
    523: "The modem could not make the key: restart the device, then reset the command.",
    525: "The modem could not make a token: see to the device's clock and keys, then reset the command.",
    527: "The modem does not take the content: send PEM of a kind of key and size that its firmware knows.",
    528: "The modem's supply voltage is too low: see to the device's power, then reset the command.",
}
"""What a modem's error numbers (CME) mean and what to do; 0 where it gave none."""

_MODEMS = range(100, 1000)
_BARE = re.compile(r"(?:ERROR|\+CME ERROR: *\d+)?")


def sentence(code: int, said: str) -> str:
    """What to tell the owner of a device that failed with this number and these words.

    A number below 100 is a modem's only where the device has no words of its own for it.
    """
    bare = _BARE.fullmatch(said.strip()) is not None
    if code in MODEM_CODES and (bare or code in _MODEMS):
        return MODEM_CODES[code] if bare else f"{MODEM_CODES[code]} The device said: {said}"
    return said or DEVICE_CODES.get(code, "the device gave no reason")
