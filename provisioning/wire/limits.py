"""Every bound on what a device may send, and on what is sent to it, is in this table.

Lengths of text count characters; sizes of messages count bytes.
"""

from typing import Final

# WIRE.md 4.2 and 10: more is refused before it is parsed, so a parser never sees it.
MESSAGE: Final = 64 * 1024
# WIRE.md 10: brokers drop or disconnect past their own limit (131,072), whatever `rxMaxSize` promises.
ANSWER: Final = MESSAGE
# WIRE.md 4.2: containers within containers; the body's own map is the first.
DEPTH: Final = 8
# WIRE.md 4.2: what fits 64 bits, signed or not. Past it a JSON parser takes quadratic time.
INTEGER: Final = range(-(2**63), 2**64)
INTEGER_DIGITS: Final = 20

# WIRE.md 2.1
ID: Final = 64
LIMIT: Final = range(1, 21)
LIMIT_DEFAULT: Final = 10
RX_MIN: Final = 512
RX_DEFAULT: Final = 8192
# A device that says SIZE_MAX means "no limit"; it is kept as the largest number every int column holds.
SIZE_MAX: Final = 2**31 - 1
CLIENT_PAIRS: Final = 16
CLIENT_TEXT: Final = 64
# Not in WIRE.md: more command types, or longer names, than any device will have.
TYPES: Final = 64
TYPE: Final = 64

# Twice the longest run: a device that repeats all it knows still fits.
RESULTS: Final = 400
# WIRE.md 3.1
ERROR_CODE: Final = range(-(2**31), 2**31)
ERROR_MESSAGE: Final = 1024

# WIRE.md 7.1: 36 characters of command id, a dot, eight hex digits of attempt.
CORRELATION: Final = 45
# Attempts live in a signed 32-bit column.
ATTEMPT: Final = range(2**31)
