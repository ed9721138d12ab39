"""In what order commands are done, and what is done only once (WIRE.md 6.1, 6.2)."""

import pytest

from provisioning.simulator.device import KEY_MAKING
from provisioning.simulator.formats import Failed, Ok
from provisioning.simulator.ports import Execute

from .talk import HALF, Bench, body, executes, verb
from .world import LIST, World, fail_type, succeed, world

KEY = Ok({"publicKey": "PEM"})


def test_commands_are_done_one_after_the_other_in_order_and_reported_together() -> None:
    bench = Bench()
    outputs = bench.serve("clientPrivateKeyGeneration", "config", "finished")
    (execute,) = outputs
    assert isinstance(execute, Execute)
    assert execute.command.params == {"place": 0}
    assert executes(outputs) == "c0.0"
    assert executes(bench.device.executed("c0.0", KEY, 0, HALF)) == "c1.0"
    assert executes(bench.device.executed("c1.0", Ok(), 0, HALF)) == "c2.0"
    outputs = bench.device.executed("c2.0", Ok(), 0, HALF)
    assert verb(outputs) == "results"
    assert body(outputs) == {
        "id": "b-2",
        "results": [
            {"id": "c0.0", "ok": True, "value": {"publicKey": "PEM"}},
            {"id": "c1.0", "ok": True},
            {"id": "c2.0", "ok": True},
        ],
    }


def test_the_first_failure_ends_the_work_and_what_stands_behind_has_no_result() -> None:
    bench = Bench()
    bench.serve("config", "preSharedKey", "finished")
    bench.device.executed("c0.0", Ok(), 0, HALF)
    outputs = bench.device.executed("c1.0", Failed(3, "full"), 0, HALF)
    assert body(outputs)["results"] == [
        {"id": "c0.0", "ok": True},
        {"id": "c1.0", "ok": False, "error": {"code": 3, "message": "full"}},
    ]


def test_the_end_of_a_command_that_is_not_under_way_is_ignored() -> None:
    bench = Bench()
    assert bench.device.executed("c0.0", Ok(), 0, HALF) == []
    bench.serve("config", "config")
    assert bench.device.executed("c1.0", Ok(), 0, HALF) == []
    assert executes(bench.device.executed("c0.0", Ok(), 0, HALF)) == "c1.0"
    assert bench.device.executed("c0.0", Ok(), 0, HALF) == []


def test_within_a_boot_a_command_that_is_served_again_is_not_done_again() -> None:
    bench = Bench()
    bench.serve("config")
    bench.device.executed("c0.0", Ok(), 0, HALF)
    bench.tell("rejected", 0, code="MALFORMED", message="so they say")
    bench.device.tick(60, HALF)
    outputs = bench.serve("config", "finished", now=60)
    assert executes(outputs) == "c1.0"
    outputs = bench.device.executed("c1.0", Ok(), 60, HALF)
    assert [result["id"] for result in body(outputs)["results"]] == ["c0.0", "c1.0"]


def test_a_remembered_failure_stops_the_work_like_a_fresh_one() -> None:
    bench = Bench()
    bench.serve("config")
    bench.device.executed("c0.0", Failed(4, "no"), 0, HALF)
    bench.tell("rejected", 0, code="TOO_LARGE", message="so they say")
    bench.device.tick(60, HALF)
    outputs = bench.serve("config", "finished", now=60)
    assert verb(outputs) == "results"
    assert [result["ok"] for result in body(outputs)["results"]] == [False]


def test_a_new_attempt_is_done_anew() -> None:
    bench = Bench()
    bench.serve("config")
    bench.device.executed("c0.0", Ok(), 0, HALF)
    bench.accept(0, pending=1)
    assert executes(bench.serve("config", attempt=1)) == "c0.1"


@pytest.mark.parametrize("kind", sorted(KEY_MAKING))
def test_what_makes_a_key_is_kept_before_it_is_reported_and_survives_a_reboot(kind: str) -> None:
    storage: dict[str, bytes] = {}
    bench = Bench(storage=storage)
    bench.serve(kind)
    first = body(bench.device.executed("c0.0", KEY, 0, HALF))["results"]
    assert list(storage) == ["c0.0"]

    rebooted = Bench(storage=storage)
    outputs = rebooted.serve(kind)
    assert verb(outputs) == "results"
    assert body(outputs)["results"] == first


def test_what_makes_no_key_is_not_kept_and_is_done_again_after_a_reboot() -> None:
    storage: dict[str, bytes] = {}
    bench = Bench(storage=storage)
    bench.serve("config")
    bench.device.executed("c0.0", Ok(), 0, HALF)
    assert storage == {}
    assert executes(Bench(storage=storage).serve("config")) == "c0.0"


def test_a_failure_to_make_a_key_is_not_kept() -> None:
    bench = Bench()
    bench.serve("clientPrivateKeyGeneration")
    bench.device.executed("c0.0", Failed(3, "full"), 0, HALF)
    assert bench.storage == {}


@pytest.mark.parametrize(
    "word", ["stored", "duplicate", "stale", "unknown", "conflict", "skipped", "early", "new word"]
)
def test_whatever_the_word_the_result_is_dropped(word: str) -> None:
    bench = Bench()
    bench.serve("clientPrivateKeyGeneration", "config")
    bench.device.executed("c0.0", KEY, 0, HALF)
    bench.device.executed("c1.0", Ok(), 0, HALF)
    bench.accept(0, c0=word, c1=word)
    assert bench.storage == {}
    assert bench.device.memory == {}


@pytest.mark.parametrize("kept", [b"", b"\xff", b"\x80", b"\xa1bidac", b"\xa2bidac\x62ok\xf4"])
def test_where_the_flash_holds_rubbish_a_new_key_is_made(kept: bytes) -> None:
    bench = Bench(storage={"c0.0": kept})
    assert executes(bench.serve("clientPrivateKeyGeneration")) == "c0.0"


class FullFlash(dict[str, bytes]):
    """A storage that takes nothing more."""

    def __setitem__(self, key: str, value: bytes) -> None:
        raise OSError("no space left")


def test_a_result_that_cannot_be_kept_is_no_success() -> None:
    bench = Bench(storage=FullFlash())
    bench.serve("clientPrivateKeyGeneration", "config")
    (result,) = body(bench.device.executed("c0.0", KEY, 0, HALF))["results"]
    assert result["ok"] is False
    assert result["error"]["code"] == 5


def test_a_power_cut_between_the_making_and_the_keeping_makes_a_second_key_and_no_conflict() -> None:
    talk = world()
    talk.stuck = True  # the power goes while it works
    talk.connect()
    talk.run(5)
    assert talk.device.todo
    assert talk.storage == {}

    after = World(talk.service, storage=talk.storage)
    after.connect()
    after.run()
    assert after.service.status() == "PROVISIONED"
    assert after.service.conflicts == 0


def test_a_failed_command_puts_the_device_into_error_and_a_reset_brings_it_back() -> None:
    talk = world(outcome=fail_type("config"))
    talk.connect()
    talk.run()
    assert talk.said == ["ERROR"]
    assert [row.state for row in talk.service.rows] == ["SUCCEEDED", "SUCCEEDED", "FAILED", "IN_PROGRESS"]

    talk.outcome = succeed
    talk.service.reset(talk.service.rows[2])
    talk.down(talk.service.notify(10))
    talk.run()
    assert talk.said == ["ERROR", "PROVISIONED"]
    assert talk.done == ["command-0.0", "command-1.0", "command-2.0", "command-2.1", "command-3.0"]


def test_a_long_list_comes_in_portions_without_a_pause() -> None:
    talk = world(limit=1)
    talk.service.rows.clear()
    talk.service.add(*[LIST[2]] * 50, LIST[3])
    talk.connect()
    talk.run()
    assert talk.said == ["PROVISIONED"]
    assert len(talk.done) == 51
    assert talk.now < 10
