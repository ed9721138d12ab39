"""Ends live sessions of devices by taking them over: a broker ends the older of two sessions with one client id.

For brokers that cannot be asked to end one. It works where a device's client id is its id, whatever the device says,
and where the service may choose its own: on Mosquitto's listeners for devices and for the service. Who may still sign
in does so again.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from paho.mqtt.enums import MQTTErrorCode

from provisioning import mqtt
from provisioning.mqtt import Address

SECONDS = 5.0
"""How long the broker may take for one of them."""

AT_ONCE = 8


class NotEnded(Exception):
    """The broker did not let the service take a session over. It is to be tried again."""


def end_sessions(url: str, device_ids: Collection[UUID]) -> None:
    """Ends the sessions of these devices, if they have any. Raises `NotEnded`, and OSError where nobody answers."""
    address = mqtt.parse(url)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda device_id: _take_over(address, device_id), device_ids):
            pass


def _take_over(address: Address, device_id: UUID) -> None:
    answers: list[Any] = []
    client = mqtt.client(address, str(device_id))
    client.on_connect = lambda client, userdata, flags, reason, properties: answers.append(reason)
    mqtt.connect(client, address)
    try:
        end = time.monotonic() + SECONDS
        while not answers:
            left = end - time.monotonic()
            if left <= 0 or client.loop(left) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
    finally:
        client.disconnect()
    if not answers or answers[0].is_failure:
        raise NotEnded(f"The MQTT broker at {address.host}:{address.port} does not let the service in.")
