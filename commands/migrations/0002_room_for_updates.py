"""What PostgreSQL needs beside the tables. Room in its pages: a command and a device are updated a few times soon after they were made.

an update that finds room in its row's page, and changes no indexed column, touches no index (HOT). And an index
of a few pages by which housekeeping finds old timeline entries.
"""

from django.db import migrations

FILL = {"commands_command": 50, "devices_device": 70}


def leave_room(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table, percent in FILL.items():
            schema_editor.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")
        schema_editor.execute("CREATE INDEX timeline_age ON devices_timelineentry USING brin (at)")


def fill_up(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in FILL:
            schema_editor.execute(f"ALTER TABLE {table} RESET (fillfactor)")
        schema_editor.execute("DROP INDEX timeline_age")


class Migration(migrations.Migration):
    dependencies = [("commands", "0001_initial"), ("devices", "0001_initial")]
    operations = [migrations.RunPython(leave_room, fill_up)]
