"""The web part for a WSGI server, e.g. `gunicorn config.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

# Imported here: Django must be set up first.
from provisioning.checks import require  # noqa: E402

require()
