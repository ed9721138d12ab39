"""Rules in the admin: found, understood, switched on and off, deleted; never written."""

from typing import Any
from uuid import uuid4

from django.contrib.admin.models import LogEntry

from commands import rules
from commands.models import Command, Rule
from commands.services import New
from tests.admin import people
from tests.admin.people import CONFIG, PSK, SHARED, Operator
from tests.rest.cast import Board

RULES = "/admin/commands/rule/"
NAMED = {"config": {"name": "{{device.name}}"}}


def rule(name: str = "pumps", *requests: dict[str, Any], of: str = "here", **options: Any) -> Rule:
    """A rule for devices with the tag `pumps`."""
    tags = options.pop("tags", ["pumps"])
    parts = rules.check([New(request) for request in requests or (CONFIG,)])
    active = options.pop("active", False)
    made = rules.make(people.tenant(of).id, {"name": name, **options}, tags, parts, active=active)
    return Rule.objects.get(id=made)


def page(one: Rule) -> str:
    return f"{RULES}{one.id}/change/"


def switch(one: Rule, key: str) -> str:
    return f"{RULES}{one.id}/switch/{key}/"


def test_rules_are_listed_with_how_many_have_them(anna: Operator) -> None:
    device = people.device("SN-1", tags=["pumps"])
    rule("first", active=True, tags=["pumps"])
    rule("second", tags=["north", "south"])
    rule("third", of="there")
    Board(str(device.id)).pull()
    shown = people.text(anna.see(RULES))
    assert "first here active pumps 1 device" in shown
    assert "second here draft north south 0 devices" in shown
    assert "third there draft pumps 0 devices" in shown
    assert "third" not in people.text(anna.see(f"{RULES}?tenant__id__exact={people.tenant().id}"))
    assert "first" not in people.text(anna.see(f"{RULES}?q=sec"))


def test_the_page_says_what_the_rule_would_do_and_to_whom(anna: Operator) -> None:
    people.device("SN-1", tags=["pumps"], name="pump 1")
    blocked = people.device("SN-2", tags=["pumps"], name="pump 2")
    anna.press(people.do(blocked, "block"))
    shown = people.text(anna.see(page(rule("pumps", NAMED, SHARED))))
    assert "2 devices with all its tags; given to 0, due to 2, of which 1 must wait" in shown
    assert "1 config" in shown
    assert '"name": "pump 1"' in shown
    assert "as pump 1 would get them" in shown
    assert "2 preSharedKey" in shown
    assert '"secret": "***"' in shown
    assert "pump 2 BLOCKED" in shown
    assert PSK not in shown
    assert not Command.objects.exists()


def test_the_page_says_why_a_device_would_not_get_it(anna: Operator) -> None:
    people.device("", tags=["pumps"])
    csr = {"secTag": 1, "attributes": "CN={{device.serialNumber}}", "keyUsage": "101000000"}
    shown = people.text(anna.see(page(rule("pumps", {"certificateSigningRequest": csr}))))
    assert "It cannot be given: commands[0].request.certificateSigningRequest.attributes" in shown


def test_texts_are_shown_as_they_are(anna: Operator) -> None:
    one = rule(
        "<b>pumps</b>", {"config": {"a": "<script>alert(1)</script>"}}, tags=["<i>x</i>"], description="<u>"
    )
    for path in (RULES, page(one), switch(one, "activate")):
        shown = anna.see(path)
        for raw in ("<b>pumps", "<script>alert(1)", "<i>x", "<u>"):
            assert raw not in shown


def test_a_rule_is_switched_on_and_off_after_a_question(anna: Operator) -> None:
    device = people.device("SN-1", tags=["pumps"])
    one = rule()
    assert "Its commands go to 1 device at the next contact; and" in people.text(
        anna.see(switch(one, "activate"))
    )
    assert not Rule.objects.get().active
    assert anna.press(switch(one, "activate")) == ["success: Rule pumps is active."]
    assert Rule.objects.get().active
    assert len(Board(str(device.id)).pull()) == 1
    shown = anna.see(page(one))
    assert "/switch/deactivate/" in shown
    assert "/switch/activate/" not in shown
    assert anna.press(switch(one, "deactivate")) == ["success: Rule pumps is switched off."]
    assert not Rule.objects.get().active
    assert LogEntry.objects.count() == 2
    assert "pumps here off pumps 1 device" in people.text(anna.see(RULES))


def test_a_rule_is_deleted_and_what_it_gave_stays(anna: Operator) -> None:
    device = people.device("SN-1", tags=["pumps"])
    one = rule(active=True)
    Board(str(device.id)).pull()
    assert "devices keep the commands that it gave them" in people.text(anna.see(f"{RULES}{one.id}/delete/"))
    assert anna.post(f"{RULES}{one.id}/delete/", {"post": "yes"}).status_code == 302
    assert not Rule.objects.exists()
    assert Command.objects.count() == 1


def test_nothing_of_a_rule_is_written_here(anna: Operator) -> None:
    one = rule()
    anna.see(f"{RULES}add/", status=403)
    anna.post(page(one), {"name": "other", "active": "on"})
    assert list(Rule.objects.values_list("name", "active")) == [("pumps", False)]
    assert 'name="_save"' not in anna.see(page(one))


def test_each_button_needs_its_permission(db: None) -> None:
    one = rule()
    looks = people.operator("otto", "commands.view_rule")
    shown = looks.see(page(one))
    assert "/switch/" not in shown
    assert "/delete/" not in shown
    for path in (switch(one, "activate"), f"{RULES}{one.id}/delete/"):
        looks.see(path, status=403)
        assert looks.post(path, {"post": "yes"}).status_code == 403
    assert not Rule.objects.get().active
    switches = people.operator("uwe", "commands.change_rule")
    assert switches.press(switch(one, "activate")) == ["success: Rule pumps is active."]
    people.operator("eve", "devices.view_device").see(RULES, status=403)


def test_devices_are_named_only_to_who_may_see_devices(db: None) -> None:
    people.device("SN-1", tags=["pumps"], name="boiler 3")
    otto = people.operator("otto", "commands.view_rule")
    shown = people.text(otto.see(page(rule("pumps", NAMED, SHARED))))
    assert "due to 1" in shown
    assert '"name": "{{device.name}}"' in shown
    assert '"secret": "***"' in shown
    assert "boiler 3" not in shown


def test_what_is_no_switch_or_no_rule_is_not_found(anna: Operator) -> None:
    anna.see(switch(rule(), "explode"), status=404)
    anna.see(f"{RULES}{uuid4()}/switch/activate/", status=404)


def test_a_stranger_is_asked_to_sign_in(db: None) -> None:
    one = rule()
    for path in (RULES, page(one), switch(one, "activate")):
        answer = people.browser().post(path)
        assert (answer.status_code, answer.headers["Location"][:13]) == (302, "/admin/login/")
    assert not Rule.objects.get().active
