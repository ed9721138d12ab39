"""What people do with `claim_and_provision_device`, from a modem out of the box to its end; all at once."""

import subprocess
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.nordic import programs, units
from tests.nordic.programs import KEY, Ran
from tests.nordic.units import Unit
from tests.standalone.installation import Installation, manage, settings_of
from tests.standalone.rest import Owner

PROGRAM = "claim_and_provision_device"
ONBOARDING = ("--unclaim", "--provisioning-tags", "nrf-cloud-onboarding")
SUBJECT = {
    "-c": "NO",
    "--st": "Oslo",
    "-l": "Oslo",
    "-o": "Example",
    "--ou": "Fleet",
    "--cn": "fleet.example",
    "-e": "ca@fleet.example",
}


@dataclass(frozen=True, slots=True)
class Authority:
    """What `create_ca_cert` left: two files of PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Flow:
    """A modem, what the program said, and what `manage.py modem run` said meanwhile."""

    unit: Unit
    program: Ran
    modem: subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Flows:
    """All of them. `onboarded` are the same program twice, one after the other, each with its own modem.

    `failed` is the one whose modem cannot make a key.
    """

    authority: Authority
    http: Flow
    mqtt: Flow
    onboarded: tuple[tuple[Unit, Ran], tuple[Unit, Ran]]
    failed: tuple[Unit, Ran]


def run(folder: Path, service: Installation, owner: Owner) -> Flows:
    """Runs them, as many at a time as do not wait for each other."""
    first, second, broken, *ruled = (units.make(folder, service, owner) for _ in range(5))
    import_identities(service, [first, second])
    units.introduce(owner, [broken, *ruled])
    authority = make_authority(service, folder / "ca")
    with ThreadPoolExecutor() as threads:
        over_http = threads.submit(local_ca, first, authority, "--http", first.url)
        over_mqtt = threads.submit(local_ca, second, authority, "--mqtt", f"mqtt://127.0.0.1:{service.mqtt}")
        failed = threads.submit(local_ca_without_a_key, broken, authority)
        one, two = ((unit, onboard(unit)) for unit in ruled)
        ended = (broken, failed.result())
        return Flows(authority, over_http.result(), over_mqtt.result(), (one, two), ended)


def import_identities(service: Installation, own: list[Unit]) -> None:
    """As an operator does it: what `modem identity` prints goes to `identity_keys import`."""
    settings = settings_of(service)
    file = own[0].state.with_name("identities.csv")
    for unit in own:
        told = manage("modem", "--state", str(unit.state), "identity", settings=settings)
        with file.open("a") as rows:
            rows.write(told.stdout)
    done = manage("identity_keys", "import", str(file), settings=settings)
    assert done.returncode == 0, done.stderr


def make_authority(service: Installation, folder: Path) -> Authority:
    """By the package's own program. It takes no field of the subject empty, though that is its default."""
    folder.mkdir()
    fields = [word for pair in SUBJECT.items() for word in pair]
    programs.run(service, folder, "create_ca_cert", "-p", str(folder), *fields).done()
    return Authority(next(folder.glob("*_ca.pem")), next(folder.glob("*_prv.pem")))


def onboard(unit: Unit) -> Ran:
    """The program's part of onboarding by a rule."""
    return programs.run(unit.service, unit.state, PROGRAM, *KEY, *ONBOARDING)


def start_local_ca(threads: ThreadPoolExecutor, unit: Unit, authority: Authority) -> Future[Ran]:
    """The program with its own CA, once it has claimed the modem: one that is not claimed gives up."""
    files = ("--ca", str(authority.certificate), "--ca-key", str(authority.key))
    program = threads.submit(programs.run, unit.service, unit.state, PROGRAM, *KEY, *files)
    while unit.owner.get(unit.device.path).status != 200 and not program.done():
        time.sleep(0.2)
    return program


def local_ca(unit: Unit, authority: Authority, *where: str) -> Flow:
    """The program signs, while the modem asks for commands in another process."""
    with ThreadPoolExecutor(1) as threads:
        program = start_local_ca(threads, unit, authority)
        modem = ("modem", "--state", str(unit.state), "run", *where, "--wait", "--every", "1")
        told = manage(*modem, settings=settings_of(unit.service))
        return Flow(unit, program.result(), told)


def local_ca_without_a_key(unit: Unit, authority: Authority) -> Ran:
    """The modem fails at what it is asked first."""
    unit.modem.faults["%KEYGEN"] = 523
    with ThreadPoolExecutor(1) as threads:
        program = start_local_ca(threads, unit, authority)
        while not unit.pull().failures and not program.done():
            time.sleep(1)
        return program.result()
