"""The device protocol as values and bytes: no Django, no broker, no clock, no database.

`topics` reads where a message came from, `codec` turns its bytes into one of `messages` and answers back
into bytes, `fit` says how much of an answer a device can take. WIRE.md is the law.
"""
