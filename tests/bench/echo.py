"""The ceiling: a client that answers every message with canned bytes. No database, no Celery, no rules.

`python -m tests.bench.echo URL ROOT FILE`: FILE holds the two canned answers as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage

from provisioning import mqtt
from provisioning.wire import topics


def main(url: str, root: str, file: str) -> None:
    """Answers until it is killed; prints `ready` when subscribed."""
    address = mqtt.parse(url)
    canned = {verb: text.encode() for verb, text in json.loads(Path(file).read_text()).items()}
    answers = {"get": "commands", "results": "accepted"}

    def answer(client: Client, userdata: Any, message: MQTTMessage) -> None:
        start, _, verb = message.topic.rpartition("/")
        client.publish(f"{start}/{answers[verb]}", canned[verb], qos=1)

    client = mqtt.client(address, "bench-echo")
    client.on_message = answer
    client.on_connect = lambda made, *rest: made.subscribe([(t, 1) for t in topics.subscriptions(root)])
    client.on_subscribe = lambda *rest: print("ready", flush=True)
    mqtt.connect(client, address)
    client.loop_forever()


if __name__ == "__main__":
    main(*sys.argv[1:4])
