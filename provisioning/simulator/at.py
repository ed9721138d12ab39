"""AT command lines taken apart."""

import re

LINE = re.compile(r"AT(?P<name>[+%][A-Z]+)(?P<sign>=|\?|\Z)(?P<arguments>.*)", re.DOTALL)
# In quotes, where it may hold commas and line breaks, or bare.
ARGUMENT = re.compile(r'(?:"(?P<text>[^"]*)"|(?P<bare>[^",]*))(?P<end>,|\Z)')
CHALLENGE = re.compile(r"[0-9A-Fa-f]{32}")

Argument = str | int | None


class Malformed(ValueError):
    """A line that a modem answers with a bare ERROR."""


def parse(line: str) -> tuple[str, str, list[Argument]]:
    """Name, `=` or `?` or nothing, and arguments; one that is left out is None. Raises Malformed."""
    found = LINE.fullmatch(line)
    if found is None or (found["sign"] != "=" and found["arguments"]):
        raise Malformed(line)
    return found["name"], found["sign"], _arguments(found["arguments"]) if found["sign"] == "=" else []


def texts(arguments: list[Argument], most: int) -> list[str]:
    """Up to `most` arguments in quotes; one that is left out is empty. Raises Malformed."""
    if len(arguments) > most or any(isinstance(argument, int) for argument in arguments):
        raise Malformed("an argument too many, or a number where text belongs")
    return [str(argument or "") for argument in arguments] + [""] * (most - len(arguments))


def _arguments(text: str) -> list[Argument]:
    arguments: list[Argument] = []
    end, position = ",", 0
    while end == ",":
        part = ARGUMENT.match(text, position)
        if part is None:
            raise Malformed("a quote that does not end, or ends too early")
        arguments.append(_argument(part["text"], part["bare"]))
        end, position = part["end"], part.end()
    return arguments


def _argument(text: str | None, bare: str | None) -> Argument:
    if text is not None:
        return text
    if not bare:
        return None
    # A challenge stands without quotes, and may be made of digits alone.
    if CHALLENGE.fullmatch(bare):
        return bare
    if not re.fullmatch(r"\d{1,10}", bare, re.ASCII):
        raise Malformed("neither a number nor text in quotes")
    return int(bare)
