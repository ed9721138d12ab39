"""The web part for an ASGI server, e.g. `uvicorn config.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()

# Imported here: Django must be set up first.
from provisioning.checks import require  # noqa: E402

require()
