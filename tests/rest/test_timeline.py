"""What happened to a device can be read, newest first."""

from tests.rest.cast import CONFIG, DEVICES, FINISHED, Board, Cast


def test_everything_that_happens_has_an_entry(cast: Cast, device: str, board: Board) -> None:
    (command, end) = cast.editor.commands(device, CONFIG, FINISHED)
    board.fail()
    cast.admin.post(f"{DEVICES}/{device}/provisioning/{command}/reset")
    board.do_all()
    told = cast.viewer.get(f"{DEVICES}/{device}/timeline").body["items"]
    assert [entry["kind"] for entry in told] == [
        "answered",
        "served",
        "changed",
        "answered",
        "served",
        "changed",
        "changed",
    ]
    assert [entry["at"] for entry in told] == sorted((entry["at"] for entry in told), reverse=True)
    reset = told[2]
    assert set(reset) == {"at", "kind", "commandId", "data"}
    assert (reset["commandId"], reset["data"]) == (
        command,
        {"what": "reset", "by": "API key admin of here"},
    )
    assert set(told[0]) == {"at", "kind", "data"}
    assert told[0]["data"]["results"] == {f"{command}.1": "stored", f"{end}.0": "stored"}
    assert told[6]["data"] == {"what": "defined", "by": "API key owner of here"}


def test_a_timeline_is_of_one_device(cast: Cast, device: str) -> None:
    other = cast.editor.device()
    (told,) = cast.viewer.get(f"{DEVICES}/{other}/timeline").body["items"]
    assert told["data"]["by"] == "API key editor of here"


def test_equal_refusals_within_a_minute_are_one_with_a_count(cast: Cast, device: str, board: Board) -> None:
    cast.editor.post(f"{DEVICES}/{device}/block")
    for _ in range(3):
        board.say("get", {})
    told = cast.viewer.get(f"{DEVICES}/{device}/timeline").body["items"]
    refused = [entry["data"] for entry in told if entry["kind"] == "refused"]
    assert sum(data["count"] for data in refused) == 3
    assert {data["code"] for data in refused} == {"BLOCKED"}
    assert len(refused) <= 2
