from django.db import migrations

MAKE = """
CREATE FUNCTION tenants_auditentry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- An entry is sealed once: it gets its place and digest, and everything else stays.
    IF TG_OP = 'UPDATE' AND OLD.place IS NULL AND NEW.place IS NOT NULL
        AND to_jsonb(NEW) - 'place' - 'digest' = to_jsonb(OLD) - 'place' - 'digest'
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'entries of the audit log are neither changed nor deleted'
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON tenants_auditentry
    FOR EACH ROW EXECUTE FUNCTION tenants_auditentry_is_append_only();
"""
DROP = """
DROP TRIGGER append_only ON tenants_auditentry;
DROP FUNCTION tenants_auditentry_is_append_only();
"""


def make(apps, schema_editor):
    _run(schema_editor, MAKE)


def drop(apps, schema_editor):
    _run(schema_editor, DROP)


def _run(schema_editor, sql):
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute(sql)


class Migration(migrations.Migration):

    dependencies = [('tenants', '0003_trust')]

    operations = [migrations.RunPython(make, drop)]
