"""A batch of messages from devices becomes stored state and answers: one transaction, a fixed number of statements.

Nothing is sent here: the caller sends what `converse` returns, after it returned (laws 4 and 5).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from commands import giving, news, sealing, store
from commands.machine import Command
from devices import credentials, events, journal, timeline
from devices import store as devices
from devices.row import DeviceRow
from devices.timeline import Entry
from pki.sealing import CannotOpen
from provisioning.fold import Fold, Request, Terms, Unreadable
from provisioning.messages import Inbound, Outbound
from provisioning.wire import codec, correlation, topics
from provisioning.wire.errors import Refused, Unroutable
from provisioning.wire.messages import Get, Rejected, Results
from provisioning.wire.rejections import refusal, rejection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that could not be read, and what is answered."""

    source: Inbound
    address: topics.Address
    reply: Rejected


@dataclass(slots=True)
class Heard:
    """One device's messages of a batch, in order of receipt: `sources` are where `requests` came from."""

    sources: list[tuple[Inbound, topics.Address]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def gets(self) -> bool:
        """Whether the device asks for commands."""
        return any(isinstance(request.message, Get) for request in self.requests)


def converse(messages: Sequence[Inbound]) -> list[Outbound]:
    """Stores what the messages say and returns the answers, to be sent now that all of it is committed.

    Raises whatever the database raises; then nothing of the batch was stored.
    """
    heard = _read(messages)
    with transaction.atomic():
        return _answers(heard, timezone.now())


def give_up(message: Inbound) -> list[Outbound]:
    """The answer to a message that cannot be handled, with an entry in its device's timeline (law 6)."""
    try:
        address = topics.parse(message.topic, settings.KEYSEED_MQTT_ROOT)
    except Unroutable:
        return []
    rejected = rejection("INTERNAL")
    with transaction.atomic():
        device_id = UUID(address.device_id)
        if device_id in devices.lock([device_id]):
            journal.record([timeline.refusal(device_id, message.received, rejected.code, rejected.message)])
    return [_rejected(message, address, rejected)]


def _read(messages: Sequence[Inbound]) -> dict[UUID, Heard]:
    heard: dict[UUID, Heard] = defaultdict(Heard)
    for message in sorted(messages, key=lambda message: message.received):
        try:
            address = topics.parse(message.topic, settings.KEYSEED_MQTT_ROOT)
        except Unroutable:
            continue
        device = heard[UUID(address.device_id)]
        try:
            device.requests.append(_decode(message, address))
            device.sources.append((message, address))
        except Refused as error:
            device.refused.append(Refusal(message, address, refusal(error)))
    return heard


def _decode(message: Inbound, address: topics.Address) -> Request:
    spoken = codec.named(address.format)
    if address.verb == "results":
        return Request(spoken.decode_results(message.payload), spoken, message.received)
    asked = spoken.decode_get(message.payload)
    if message.overhead:
        asked = replace(asked, rx_max_size=max(0, asked.rx_max_size - message.overhead))
    return Request(asked, spoken, message.received)


def _answers(heard: Mapping[UUID, Heard], at: datetime) -> list[Outbound]:
    """Law 9: the first statement holds the devices' rows; what was known before is read again behind it."""
    held = devices.lock(heard.keys())
    loaded = store.load(held, _named(heard))
    given = giving.give({id: row for id, row in held.items() if heard[id].requests}, loaded, at)
    before, held, loaded = held, {**held, **given.rows}, {**loaded, **given.lists}
    contents = store.contents([device_id for device_id in held if heard[device_id].gets])
    folds = {
        device_id: _fold(row, loaded[device_id], contents, at).apply(heard[device_id].requests)
        for device_id, row in held.items()
    }
    _write(folds, loaded, heard, at)
    told = {id: fold for id, fold in folds.items() if before[id].tenant_id in given.heard}
    events.emit(
        [e for id, f in told.items() for e in news.of(before[id], f.device, loaded[id].all, f.all)], at
    )
    return [out for device_id, device in heard.items() for out in _replies(device, folds.get(device_id))]


def _fold(row: DeviceRow, lists: store.Loaded, contents: Mapping[UUID, store.Content], at: datetime) -> Fold:
    def params(command: Command) -> Mapping[str, object]:
        try:
            return sealing.opened(command.type, contents[command.id])
        except (sealing.Erased, CannotOpen) as error:
            raise Unreadable(f"{command.type} at position {command.position}: {error}") from None

    terms = Terms(settings.KEYSEED_MAX_DELIVERIES)
    return Fold(row, lists.run, lists.past, params, at, terms)


def _named(heard: Mapping[UUID, Heard]) -> list[UUID]:
    """The commands that results speak of: they may belong to closed runs."""
    messages = (request.message for device in heard.values() for request in device.requests)
    ids = (result.id for message in messages if isinstance(message, Results) for result in message.results)
    return [UUID(found[0]) for found in map(correlation.read, ids) if found is not None]


def _write(
    folds: Mapping[UUID, Fold], loaded: Mapping[UUID, store.Loaded], heard: Mapping[UUID, Heard], at: datetime
) -> None:
    lists = [(loaded[device_id].all, fold.all) for device_id, fold in folds.items()]
    store.write_all(lists)
    devices.write([fold.device for fold in folds.values()])
    entries = [entry for fold in folds.values() for entry in fold.entries]
    journal.record(
        entries + [e for device_id in folds for e in _refusal_entries(device_id, heard[device_id])]
    )
    credentials.register_keys([(d, key) for d, fold in folds.items() for key in fold.keys], at)


def _refusal_entries(device_id: UUID, device: Heard) -> list[Entry]:
    return [
        timeline.refusal(device_id, refused.source.received, refused.reply.code, refused.reply.message)
        for refused in device.refused
    ]


def _replies(device: Heard, fold: Fold | None) -> list[Outbound]:
    out = [_rejected(refused.source, refused.address, refused.reply) for refused in device.refused]
    if fold is None:
        return out + [
            _rejected(source, address, rejection("NOT_CLAIMED", id=request.message.id))
            for (source, address), request in zip(device.sources, device.requests, strict=True)
        ]
    return out + [
        Outbound(_topic(address, reply.verb), reply.payload, source.correlation, reply.items, reply.refused)
        for (source, address), reply in zip(device.sources, fold.replies, strict=True)
    ]


def _rejected(source: Inbound, address: topics.Address, rejected: Rejected) -> Outbound:
    payload = codec.answering(address.format).rejected(rejected)
    return Outbound(_topic(address, "rejected"), payload, source.correlation, refused=rejected)


def _topic(address: topics.Address, verb: str) -> str:
    make = {"commands": topics.commands, "accepted": topics.accepted, "rejected": topics.rejected}[verb]
    return make(settings.KEYSEED_MQTT_ROOT, address.device_id, address.format)
