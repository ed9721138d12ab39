"""`manage.py modem`: one simulated nRF91 modem that is provisioned as Nordic's library does it."""

import csv
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.simulator import numbers
from provisioning.simulator.connection import broker
from provisioning.simulator.modem import Modem
from provisioning.simulator.nordic import Client, NotClaimed, NotServed, Step, Transport
from provisioning.simulator.nordic_codec import Settings, Undecodable
from provisioning.simulator.nordic_http import HttpTransport
from provisioning.simulator.nordic_mqtt import MqttTransport

SECRET_VARIABLE = "KEYSEED_DEVICE_SECRET"  # keeps the secret out of the process list  # noqa: S105

ENDLESS = sys.maxsize
POLLS = 100
SHORT = 40

# All behind the type is the content, and the password where there is one.
CREDENTIAL = re.compile(r"\A(AT%CMNG=0,[^,]*,[^,]*,)(.*)\Z", re.DOTALL)


class Command(BaseCommand):
    help = (
        "A simulated nRF91 modem, kept in a file. `token` prints what its owner claims it with, `identity` a "
        "line of CSV with its id and public key, `run` provisions it; exit code 1 unless it was finished."
    )
    # It talks to an installation, which may be another one than this; nothing here touches the database.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own declaration

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--state", type=Path, required=True, metavar="FILE", help="the modem; made if it is not there"
        )
        actions = parser.add_subparsers(dest="action", required=True, metavar="token | identity | run")
        actions.add_parser("token", help="print the attestation token")
        actions.add_parser("identity", help="print device id and public key as CSV")
        run = actions.add_parser("run", help="get commands, do them and report, to the end")
        where = run.add_mutually_exclusive_group(required=True)
        where.add_argument("--http", metavar="URL", help="such as http://127.0.0.1:8000")
        where.add_argument("--mqtt", metavar="URL", help="such as mqtt://127.0.0.1:1883")
        run.add_argument(
            "--secret",
            help=f"the password over MQTT instead of a JWT; rather in ${SECRET_VARIABLE}",
        )
        run.add_argument("--root", default="prov/v1", help="of the topics (default %(default)s)")
        run.add_argument("--wait", action="store_true", help="keep asking until it is finished")
        run.add_argument(
            "--every", type=numbers.seconds, default=5.0, metavar="S", help="with --wait (default 5)"
        )
        run.add_argument("--limit", type=numbers.count, default=10, metavar="N", help="commands at a time")
        run.add_argument("--rx", type=numbers.count, default=2048, metavar="N", help="receive buffer, bytes")
        run.add_argument(
            "--line", type=numbers.count, default=1792, metavar="N", help="buffer of an AT command, bytes"
        )
        run.add_argument("--tx", type=numbers.count, default=2048, metavar="N", help="send buffer, bytes")

    def handle(self, *args: Any, **options: Any) -> None:
        modem = _modem(options["state"])
        match options["action"]:
            case "token":
                self.stdout.write(modem.attestation_token())
            case "identity":
                self.stdout.write(identity_line(modem), ending="")
            case "run":
                self._run(modem, options)

    def _run(self, modem: Modem, options: dict[str, Any]) -> None:
        def watch(step: Step) -> None:
            _save(modem, options["state"])  # as in flash: what is done is done, whatever comes next
            self.stdout.write(shown(step))

        pace = 0.1  # nobody who watches waits half a minute for the first repetition
        settings = Settings(
            records=options["limit"],
            rx=options["rx"],
            tx=options["tx"],
            at_cmd_len=options["line"],
            mver=modem.firmware,
            interval=options["every"] / pace,
            pace=pace,
        )
        client = Client(modem, _transport(modem, options), settings, watch=watch)
        try:
            summary = client.run(until_finished=options["wait"], polls=ENDLESS if options["wait"] else POLLS)
        except NotClaimed as error:
            token = modem.attestation_token()
            raise CommandError(f"The device is not let in ({error}). Claim it with\n{token}") from error
        except (NotServed, Undecodable) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['http'] or options['mqtt']} does not answer: {error}") from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted; the modem is kept.") from None
        if not summary.finished:
            raise CommandError(f"Not finished after {summary.polls} requests; there is nothing more to do.")
        self.stdout.write("finished")


def identity_line(modem: Modem) -> str:
    """One row of CSV: device id, public identity key (PEM)."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([modem.id, modem.identity_public_key().strip()])
    return line.getvalue()


def shown(step: Step) -> str:
    """What was done and what came of it, on one line and without anything that is secret."""
    line = CREDENTIAL.sub(lambda found: f"{found[1]}<{len(found[2])} characters>", step.line)
    reply = " ".join(_shortened(part) for part in step.reply.split())
    return f"{line} -> {reply or 'OK'}"


def _shortened(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[:SHORT]}… ({len(text)} characters)"


def _modem(state: Path) -> Modem:
    if not state.exists():
        modem = Modem.make()
        _save(modem, state)
        return modem
    try:
        return Modem.load(state)
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error


def _save(modem: Modem, state: Path) -> None:
    try:
        modem.save(state)
    except OSError as error:
        raise CommandError(f"The modem cannot be kept in {state}: {error}") from error


def _transport(modem: Modem, options: dict[str, Any]) -> Transport:
    try:
        if options["http"]:
            if options["secret"]:
                raise CommandError("--secret is for --mqtt: over HTTP this client signs in by JWT only.")
            return HttpTransport(options["http"], modem)
        secret = options["secret"] or os.environ.get(SECRET_VARIABLE)
        password = (lambda: secret) if secret else modem.jwt
        return MqttTransport(broker(options["mqtt"]), modem.id, password, root=options["root"].strip("/"))
    except ValueError as error:
        raise CommandError(str(error)) from error
