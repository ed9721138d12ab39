"""A headless Chromium with nothing of the user's in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.servers import find


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for tests. Playwright's synchronous calls run an event loop in this thread: Django wants
    DJANGO_ALLOW_ASYNC_UNSAFE for database calls beside them."""
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(find.node())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find.chromium())
        try:
            yield browser
        finally:
            browser.close()
