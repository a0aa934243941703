"""Django: the migrations of its own applications, on a database that has none of them yet, and once more."""

import io
import os

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

place = {
    "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": os.environ["PGPORT"], "NAME": "corpus",
    "USER": os.environ["PGUSER"], "PASSWORD": os.environ["PGPASSWORD"], "OPTIONS": {},
}  # fmt: skip
settings.configure(
    DATABASES={"default": place}, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
)  # fmt: skip
django.setup()
for name in ("ddl dev Django: migrate", "ddl dev Django: nothing to migrate"):
    connection.close()
    connection.settings_dict["OPTIONS"] = {"application_name": name}
    call_command("migrate", verbosity=0, stdout=io.StringIO())
connection.close()
