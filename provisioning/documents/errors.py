"""docs/errors.md, from the tables of refusals, failures, rejections and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from commands.device_errors import DEVICE_CODES, MODEM_CODES
from commands.explain import ERRORS
from commands.machine import ErrorCode
from commands.run import Word
from provisioning.documents.markdown import code, page, table
from provisioning.wire.rejections import REJECTIONS
from tenants.errors import CODES

WORDS: Mapping[Word, str] = {
    Word.STORED: "It is stored, and the command is closed.",
    Word.DUPLICATE: "The same result was stored before.",
    Word.STALE: "It is for an older attempt: the command was reset since, and comes again under a new id.",
    Word.CONFLICT: (
        "Another result was stored before, and stands. Only a newer key of the same attempt replaces an "
        "older one, while the run is open."
    ),
    Word.SKIPPED: "The owner skipped the command.",
    Word.UNKNOWN: "The service did not give this id to the device, or the command was deleted since.",
    Word.EARLY: (
        "It is for `finished`, and something before that is not done. It is not stored: a `get` brings what "
        "is missing, and `finished` again."
    ),
}
"""What each word of `accepted` says of a result (WIRE.md 3.4)."""

TEXT = """\
# Errors

Everything that Keyseed refuses, and everything that can go wrong with a command, has a code. The codes
stay as they are; the sentences beside them may be improved at any time.

## What the API refuses

`message` says what to do; `errors`, where there are any, has the wrong fields.

```json
{
  "code": "INVALID",
  "title": "The request is not valid",
  "message": "request.serverCertificate.secTag: Must be a whole number from 0 to 2147483647.",
  "errors": {
    "request.serverCertificate.secTag": ["Must be a whole number from 0 to 2147483647."]
  }
}
```

$refusals

## Why a command failed

A FAILED command has an `error` with one of these codes, a `message`, and as `detail` the device's own
number, if it gave one. Its device is in ERROR and gets nothing until the command is reset or skipped.

$failures

## The device's own numbers

`detail` of a `DEVICE_ERROR` (WIRE.md 3.1).

$numbers

## The modem's own numbers

`detail` too, where a modem made the error: `message` says this, and what else the device said.

$modem

## What a device is refused

The `code` of a `rejected` (WIRE.md 4.1), and the advice at the end of its `message`. Nothing of what the
device sent was stored.

$rejections

## What a device is told of its results

`accepted` has one word for each result (WIRE.md 3.3). None of them is an error, and after each of them
the device drops the result.

$words
"""


def document() -> str:
    """The page of errors."""
    refused = [[code(name), str(refusal.http), refusal.title] for name, refusal in CODES.items()]
    rejected = [[code(name), advice] for name, advice in REJECTIONS.items()]
    words = [[code(word.value), WORDS[word]] for word in Word]
    return page(
        TEXT,
        refusals=table(["code", "HTTP", "title"], refused),
        failures=table(["code", "why", "what to do"], _failures()),
        numbers=table(["number", "meaning"], _numbers()),
        modem=table(["number", "what to do"], [[str(number), text] for number, text in MODEM_CODES.items()]),
        rejections=table(["code", "advice to the device"], rejected),
        words=table(["word", "meaning"], words),
    )


def _failures() -> Iterator[list[str]]:
    calls = {call: f"`POST …/provisioning/{{cid}}/{call}`" for call in ("reset", "skip")}
    for name in ErrorCode:
        why = ERRORS[name].why.replace(" (“{message}”)", "")
        yield [code(name.value), _capital(why), ERRORS[name].next.format(**calls)]


def _numbers() -> Iterator[list[str]]:
    for number, words in DEVICE_CODES.items():
        yield [str(number), _capital(words) + "."]
    yield ["100 to 999", "The modem's own (CME): see below, or its manual."]
    yield ["any other", "The device's own."]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
