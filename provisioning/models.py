"""Storage of how often a batch came back."""

from __future__ import annotations

from django.db import models


class Redelivery(models.Model):
    """A batch whose worker died under it, by the id of its task."""

    batch_id = models.UUIDField(primary_key=True)
    times = models.PositiveSmallIntegerField(default=1)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "redeliveries"

    def __str__(self) -> str:
        return f"{self.batch_id} {self.times}"
