"""The WSGI application that gunicorn serves."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xianning.settings")
application = get_wsgi_application()

from xianning import checks  # noqa: E402  (models are loaded by the line above)

checks.require_right_start()
# What is loaded by now lives as long as the process: the collector need not walk it each time.
gc.collect()
gc.freeze()
# The server forks its workers after this: none may inherit a connection.
connection.close()
if hasattr(connection, "close_pool"):
    connection.close_pool()
