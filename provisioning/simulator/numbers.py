"""What both simulators take on their command lines."""

import argparse


def count(text: str) -> int:
    """A number of things. Raises ValueError and ArgumentTypeError."""
    number = int(text)
    if not 1 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"use a number from 1 to 1000000, not {text}")
    return number


def seconds(text: str) -> float:
    """A time, or a factor on one. Raises ValueError and ArgumentTypeError."""
    number = float(text)
    if not 0.001 <= number <= 86_400:
        raise argparse.ArgumentTypeError(f"use a number from 0.001 to 86400, not {text}")
    return number
