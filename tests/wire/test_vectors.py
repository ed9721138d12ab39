"""Every golden vector holds: these bytes, this meaning, in both directions."""

import json
from collections.abc import Callable
from itertools import chain

import cbor2
import pytest

from provisioning.wire import codec, correlation, errors, topics
from provisioning.wire.fit import fit
from provisioning.wire.messages import Accepted, Get, Notify, Rejected
from tests.wire import golden
from tests.wire.golden import Vector

NRF = golden.load("nrf")
UP = golden.load("get", "results", "refused") + [vector for vector in NRF if vector["direction"] == "up"]
DOWN = golden.load("commands", "accepted", "rejected", "notify") + [
    vector for vector in NRF if vector["direction"] == "down"
]
READERS: dict[str, Callable[[bytes], object]] = {
    "json": json.loads,
    "cbor": cbor2.loads,
    # Nothing to do, and accepted, are no bytes at all.
    "nrf": lambda payload: cbor2.loads(payload) if payload else None,
}


def over(some: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", some, ids=[vector["test"] for vector in some])


def read(vector: Vector) -> dict[str, object]:
    chosen, payload = codec.named(vector["format"]), golden.payload(vector)
    if vector["verb"] == "get":
        return golden.get_value(chosen.decode_get(payload))
    return golden.results_value(chosen.decode_results(payload))


def write(vector: Vector) -> bytes:
    chosen, value = codec.named(vector["format"]), vector["value"]
    if vector["verb"] == "commands":
        items = [chosen.item(one["id"], one["type"], one["params"]) for one in value["commands"]]
        return chosen.commands(value.get("id"), value["status"], items, value["pending"])
    if vector["verb"] == "accepted":
        return chosen.accepted(Accepted(**value))
    if vector["verb"] == "rejected":
        retry_after = value.get("retryAfter")
        return chosen.rejected(
            Rejected(
                id=value.get("id"), code=value["code"], message=value["message"], retry_after=retry_after
            )
        )
    return codec.notify(Notify(**value))


@over([vector for vector in UP if "value" in vector])
def test_a_good_message_up_means_what_the_vector_says(vector: Vector) -> None:
    assert read(vector) == vector["value"]


@over([vector for vector in UP if "error" in vector])
def test_a_bad_message_up_is_refused_as_the_vector_says(vector: Vector) -> None:
    with pytest.raises(errors.Malformed) as refused:
        read(vector)
    assert {"code": refused.value.code, "id": refused.value.id} == vector["error"]


@over(DOWN)
def test_a_message_down_is_these_bytes(vector: Vector) -> None:
    assert write(vector) == golden.payload(vector)


@over(DOWN)
def test_a_device_reads_from_these_bytes_what_the_vector_says(vector: Vector) -> None:
    assert READERS[vector["format"]](golden.payload(vector)) == vector.get("reads", vector["value"])


@over(golden.load("fit"))
def test_an_answer_holds_as_many_commands_as_fit(vector: Vector) -> None:
    chosen = codec.named(vector["format"])
    items = [chosen.item(one["id"], one["type"], one["params"]) for one in vector["commands"]]
    get = Get(id=vector["id"], rx_max_size=vector["rxMaxSize"], limit=vector["limit"])
    assert fit(chosen, get, vector["status"], items, vector["total"]) == vector["fits"]


@over([vector for vector in golden.load("topics") if vector["direction"] == "up"])
def test_a_topic_up_is_read_or_unroutable(vector: Vector) -> None:
    if "error" in vector:
        with pytest.raises(errors.Unroutable):
            topics.parse(vector["topic"], vector["root"])
        return
    address = topics.parse(vector["topic"], vector["root"])
    assert vector["value"] == {"id": address.device_id, "format": address.format, "verb": address.verb}


@over([vector for vector in golden.load("topics") if vector["direction"] == "down"])
def test_a_topic_down_is_this_text(vector: Vector) -> None:
    root, id, format = vector["root"], vector["id"], vector["format"]
    made = {
        "commands": lambda: topics.commands(root, id, format),
        "accepted": lambda: topics.accepted(root, id, format),
        "rejected": lambda: topics.rejected(root, id, format),
        "notify": lambda: topics.notify(root, id),
    }
    assert made[vector["verb"]]() == vector["topic"]


@over(golden.load("correlation"))
def test_a_correlation_id_names_one_attempt_or_nothing(vector: Vector) -> None:
    value = vector["value"]
    assert correlation.read(vector["text"]) == (value and (value["command"], value["attempt"]))
    if value:
        assert correlation.make(value["command"], value["attempt"]) == vector["text"]


def test_no_file_of_vectors_is_left_out_and_none_has_a_name_twice() -> None:
    files = sorted(path.stem for path in golden.FOLDER.glob("*.json"))
    run = {vector["test"].split(":")[0] for vector in chain(UP, DOWN)} | {"fit", "topics", "correlation"}
    assert files == sorted(run)
    every = [vector["test"] for vector in golden.load(*files)]
    assert len(every) == len(set(every))


def test_the_vectors_hold_every_clause_of_the_wire_that_bytes_can_break() -> None:
    held = {vector["clause"] for path in golden.FOLDER.glob("*.json") for vector in golden.load(path.stem)}
    assert held >= {
        *("1.1", "1.2", "1.6", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"),
        *("3.1", "3.2", "3.3", "3.4", "3.5", "4.1", "4.2", "4.3", "5.1", "7.1", "8.1", "8.2"),
    }
