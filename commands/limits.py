"""The limits of a device's command list. Source: docs/state-machine.md, WIRE.md 2.7 and 10."""

MAX_OPEN = 20
"""Open commands a device; a CSR with `issue` counts two until its certificate command stands."""

MAX_RUN = 200
"""Commands in one run."""

MAX_DELIVERIES = 10
"""Times a command is served without an answer before it fails, unless KEYSEED_MAX_DELIVERIES says otherwise."""

SECRET_DAYS = 30
"""Days for which the secrets of a FAILED command stay for a reset."""
