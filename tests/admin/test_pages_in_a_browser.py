"""An operator works in a browser: everything comes from this server, and no script fails."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tests.admin import people
from tests.admission import admit
from tests.servers import browser as browsers
from tests.servers.redis import Redis

PASSWORD = "a long enough passphrase"

WIDER = """[...document.querySelectorAll("html, #main, fieldset, .ks-scroll")]
    .filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.className || box.tagName)"""
"""What holds more than it is wide."""


@pytest.fixture(scope="module")
def browser(django_db_setup: None) -> Iterator[Browser]:
    """A Chromium for this file alone: as long as it is there, an event loop seems to run in this thread, and
    Django lets nobody use the database who does not say that it is beside the loop."""
    with pytest.MonkeyPatch.context() as patched, browsers.chromium() as started:
        patched.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield started


@pytest.fixture
def page(
    browser: Browser, live_server: LiveServer, transactional_db: None, redis: Redis, settings: Settings
) -> Iterator[Page]:
    """A signed-out browser; at the end nothing was asked of another server and nothing failed in it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a quick one
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(15_000)
    opened = context.new_page()
    asked: list[str] = []
    failed: list[str] = []

    def on_request(request: Request) -> None:
        asked.append(request.url)

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            failed.append(message.text)

    opened.on("request", on_request)
    opened.on("console", on_console)
    opened.on("pageerror", lambda error: failed.append(str(error)))
    yield opened
    context.close()
    own = urlsplit(live_server.url).netloc
    others = [url for url in asked if urlsplit(url).netloc != own and not url.startswith("data:")]
    assert asked
    assert others == []
    assert failed == []


@pytest.fixture
def anna(page: Page) -> Page:
    """The browser with an operator signed in."""
    User.objects.create_superuser("anna", password=PASSWORD)
    page.goto("/admin/devices/device/")
    page.get_by_label("Username").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Devices")
    return page


def lists(page: Page, *serials: str) -> None:
    """The list comes to hold exactly these devices, in this order."""
    expect(page.locator("td.field-serial_number")).to_have_text(list(serials))


def test_a_wrong_password_opens_nothing(page: Page) -> None:
    User.objects.create_superuser("anna", password=PASSWORD)
    page.goto("/admin/")
    page.get_by_label("Username").fill("anna")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()


def test_an_operator_finds_a_device_in_error_and_skips_its_failed_command(anna: Page) -> None:
    people.device("SN-1")
    people.provisioned("SN-2")
    device = people.failed("SN-3")
    anna.goto("/admin/")
    anna.get_by_role("link", name="ERROR 1").click()
    lists(anna, "SN-3")
    anna.get_by_role("link", name=re.compile(str(device.id))).click()
    expect(anna.get_by_text("Command 3 (config) failed")).to_be_visible()
    failed = anna.locator("#commands tbody", has_text="3 config")
    expect(failed.get_by_text("DEVICE_ERROR -17: sector is protected")).to_be_visible()
    failed.get_by_role("link", name="Skip").click()
    expect(anna.get_by_text("Skip command 3 config?")).to_be_visible()
    anna.get_by_role("button", name="Skip").click()
    expect(anna.get_by_text("3 config is skipped.")).to_be_visible()
    expect(failed.get_by_text("SKIPPED")).to_be_visible()
    expect(anna.get_by_text("skipped by member:anna")).to_be_visible()
    assert people.status(device) == "PROVISIONING"


def test_filters_are_chosen_and_cleared(anna: Page) -> None:
    people.device("SN-1", tags=["north"])
    people.device("SN-2", tags=["north", "pumps"], of="there")
    people.failed("SN-3")
    anna.goto("/admin/devices/device/")
    anna.locator("#changelist a", has_text="Filters").first.click()
    anna.get_by_label("By whole tag").fill("north")
    anna.get_by_role("button", name="Apply filters").click()
    lists(anna, "SN-2", "SN-1")
    anna.locator("#changelist a", has_text="Filters").first.click()
    anna.locator("#changelist-filter .select2-selection").nth(2).click()
    anna.locator(".select2-results__option", has_text="there").click()
    anna.get_by_role("button", name="Apply filters").click()
    lists(anna, "SN-2")
    anna.get_by_role("link", name="All", exact=True).click()
    lists(anna, "SN-2")
    anna.get_by_placeholder("Id, or beginning").fill("SN-1")
    anna.keyboard.press("Enter")
    expect(anna.get_by_text("No results found")).to_be_visible()


def test_a_device_is_blocked_and_unblocked(anna: Page) -> None:
    device = people.device("SN-1")
    anna.goto(people.page(device))
    anna.get_by_role("link", name="Block", exact=True).click()
    anna.get_by_role("button", name="Block").click()
    expect(anna.get_by_text("SN-1 is blocked.")).to_be_visible()
    assert people.status(device) == "BLOCKED"
    expect(anna.get_by_text("unblock it with “Unblock”")).to_be_visible()
    anna.get_by_role("link", name="Unblock").click()
    anna.get_by_role("link", name="Cancel").click()
    assert people.status(device) == "BLOCKED"
    anna.get_by_role("link", name="Unblock").click()
    anna.get_by_role("button", name="Unblock").click()
    expect(anna.get_by_text("SN-1 is unblocked.")).to_be_visible()
    assert people.status(device) == "READY"


def test_selected_devices_are_acted_on_together(anna: Page) -> None:
    devices = [people.failed(f"SN-{n}") for n in range(3)]
    anna.goto("/admin/devices/device/?status__exact=ERROR")
    for number in range(2):
        anna.locator("input.action-select").nth(number).check()
    anna.get_by_label("Select action to run").select_option(label="Skip first failed command")
    anna.get_by_role("button", name="Run").click()
    expect(anna.get_by_text("Skip first failed command: 2 devices?")).to_be_visible()
    anna.get_by_role("button", name="Skip first failed command").click()
    expect(anna.get_by_text("Skip first failed command: done for 2 devices.")).to_be_visible()
    lists(anna, "SN-0")
    assert [people.status(device) for device in devices] == ["ERROR", "PROVISIONING", "PROVISIONING"]


def test_a_new_password_is_shown_once(anna: Page) -> None:
    device = people.device("SN-1")
    anna.goto(people.page(device))
    anna.get_by_role("link", name="New password").click()
    anna.get_by_role("button", name="Make a new password").click()
    secret = anna.locator("#secret").inner_text()
    assert admit(str(device.id), secret)
    anna.get_by_role("link", name="I have copied it").click()
    expect(anna.locator("#credentials")).to_contain_text("password")
    assert secret not in anna.content()


def test_a_device_is_added_for_a_tenant_found_by_typing(anna: Page) -> None:
    people.tenant("boilers")
    people.tenant("pumps")
    anna.goto("/admin/devices/device/add/")
    anna.locator(".field-tenant .select2-selection").click()
    anna.locator(".select2-search__field").fill("pum")
    anna.locator(".select2-results__option", has_text="pumps").click()
    anna.get_by_label("Serial number").fill("SN-9")
    anna.get_by_label("Tags").fill("north\npumps")
    anna.get_by_role("button", name="Save", exact=True).click()
    expect(anna.get_by_text("No commands in the current run.")).to_be_visible()
    anna.goto("/admin/devices/device/?tag=pumps")
    lists(anna, "SN-9")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_of_the_page(anna: Page, scheme: str) -> None:
    device = people.failed(message="a long explanation " * 20)
    anna.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    user = User.objects.get()
    paths = ["/admin/", "/admin/devices/device/", people.page(device), people.do(device, "reset-run")]
    paths += ["/admin/tenants/apikey/add/", f"/admin/auth/user/{user.id}/change/"]
    for width in (390, 1280, 1920):
        anna.set_viewport_size({"width": width, "height": 900})
        for path in paths:
            anna.goto(path)
            assert anna.evaluate(WIDER) == [], (width, path)
    anna.goto(people.page(device))
    for text in (".ks-head h2", ".ks-explained", ".ks-section h2", ".ks-error td", ".ks-table .ks-dim"):
        assert _contrast(anna, text) > 4.5, text


def _contrast(page: Page, selector: str) -> float:
    """WCAG's contrast of the first such element's text with the page behind it."""
    colours = page.evaluate(
        """selector => {
            const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
            const pixel = colour => {
                canvas.clearRect(0, 0, 1, 1);
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const behind = getComputedStyle(document.querySelector("#main")).backgroundColor;
            return [getComputedStyle(document.querySelector(selector)).color, behind].map(pixel);
        }""",
        selector,
    )
    light, dark = sorted((_luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: list[int]) -> float:
    parts = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
