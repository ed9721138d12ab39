"""A new field key on a running installation, as docs/operations.md tells it: no device notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pki.sealing import new_key
from tests.pipeline.cast import PSK
from tests.pipeline.conftest import Installation
from tests.servers.product import ROOT, Product
from tests.standalone.installation import Installation as Standalone
from tests.standalone.installation import manage, settings_of

SERVED, LATER = 1_200, 100
WAITING = 2_000

FILL = """
import json, sys
import django
django.setup()
from tests.pipeline import cast
found = cast.fleet(cast.owner("default"), int(sys.argv[1]), cast.SHARED_KEY, cast.FINISHED)
print(json.dumps([str(device.id) for device in found]))
"""
OPENED = """
import django
django.setup()
from django.conf import settings
from commands.models import Command
from pki.sealing import Sealer
sealer = Sealer(settings.KEYSEED_FIELD_KEYS)
tokens = Command.objects.filter(secrets__isnull=False).values_list("secrets", flat=True)
print(len([sealer.open(token) for token in tokens]), {sealer.open(token)["secret"] for token in tokens})
"""


class Keys:
    """The installation's field keys, changed as an operator does."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self.old, self.new = product.environment["KEYSEED_FIELD_KEYS"], new_key()

    def set(self, *keys: str) -> None:
        """New settings, and a restart of what needs them."""
        self._product._settings["KEYSEED_FIELD_KEYS"] = ",".join(keys)
        worker = self._product.processes.get("inbound")
        if worker is not None:
            worker.stop()
            self._product.start("inbound")


def fill(product: Product, count: int) -> list[str]:
    """Devices with a sealed secret each."""
    ids: list[str] = json.loads(product.python(FILL, str(count)))
    return ids


def test_no_device_notices_and_the_old_key_can_be_taken_out(installation: Installation) -> None:
    product = installation.product
    keys = Keys(product)
    served, later = fill(product, SERVED), fill(product, LATER)
    load = installation.load(served, in_flight=20)
    thread = threading.Thread(target=load.run, args=(90,))
    thread.start()
    keys.set(keys.old, keys.new)
    keys.set(keys.new, keys.old)
    under_way = SERVED - len(load.tally.done)
    product.manage("rotate_field_keys")
    thread.join()
    assert under_way > 0
    assert "may be taken out" in product.manage("rotate_field_keys", "--check")
    keys.set(keys.new)
    assert product.python(OPENED).split() == [str(LATER), f"{{'{PSK}'}}"]
    after = installation.load(later, in_flight=50).run(60)
    assert (load.tally.odd, after.odd) == ([], [])
    assert (len(load.tally.done), len(after.done)) == (SERVED, LATER)
    assert installation.rows("SELECT count(*) FROM commands_command WHERE secrets IS NOT NULL") == [(0,)]


def test_a_killed_one_has_lost_nothing_and_is_finished_later(tmp_path: Path) -> None:
    with Product(tmp_path) as product:
        fill(product, WAITING)
        keys = Keys(product)
        keys.set(keys.new, keys.old)
        before = tokens(product)
        killed_on_its_way(product, before)
        again = product.manage("rotate_field_keys")
        assert f"{WAITING:,} resealed" not in again
        assert f"0 resealed, {WAITING:,} fine" not in again
        keys.set(keys.new)
        assert product.python(OPENED).split() == [str(WAITING), f"{{'{PSK}'}}"]


def tokens(product: Product) -> str:
    """A digest over all sealed values."""
    text = "SELECT md5(string_agg(secrets, '' ORDER BY id)) FROM commands_command"
    ((found,),) = Installation(product).rows(text)
    return str(found)


def killed_on_its_way(product: Product, before: str) -> None:
    """Starts rotation and kills it as soon as the first values have changed."""
    command = [sys.executable, "manage.py", "rotate_field_keys"]
    with subprocess.Popen(command, cwd=ROOT, env=product.environment, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 30
        while tokens(product) == before:
            assert time.monotonic() < end
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


@pytest.mark.timeout(120)
def test_a_standalone_folder_gets_a_new_key_too(tmp_path: Path) -> None:
    with Standalone(tmp_path / "data") as running:
        settings = settings_of(running)
        filled = python(FILL, "700", settings=settings)
        assert len(json.loads(filled)) == 700
        key_file = running.folder / "field_key"
        old, new = key_file.read_text().strip(), new_key()
        key_file.write_text(f"{new},{old}\n")
        rotated = manage("rotate_field_keys", settings=settings)
        assert rotated.returncode == 0, rotated.stderr
        assert "700 resealed, 0 fine, 0 open with no key." in rotated.stdout
        key_file.write_text(f"{new}\n")
    with running:
        assert python(OPENED, settings=settings).split() == ["700", f"{{'{PSK}'}}"]


def python(program: str, *arguments: str, settings: dict[str, str]) -> str:
    """What a Python program prints beside a running standalone."""
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", **settings}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout
