"""Seals and opens what is encrypted at rest, by the keys of the settings. `provisioning.sealed` lists where it is."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from pki.sealing import Sealer


def sealer() -> Sealer:
    """Seals with the first of KEYSEED_FIELD_KEYS, opens with any. Raises `pki.errors.Invalid` where one is none."""
    return _of(tuple(settings.KEYSEED_FIELD_KEYS))


@lru_cache(maxsize=4)
def _of(keys: tuple[str, ...]) -> Sealer:
    return Sealer(keys)
