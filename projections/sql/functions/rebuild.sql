-- Read models made anew beside the live ones: shadows of their tables in a schema of their own, under the same names,
-- which take the live ones' places in one transaction. For the administrator's role alone, since it takes DDL, but for
-- the clearing away of what a killed run left.

-- An empty schema for shadows. What an interrupted run left behind goes. `run` tells this run from others.
CREATE OR REPLACE FUNCTION projections.begin_rebuild(run text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET client_min_messages = warning
AS $$
BEGIN
    DROP SCHEMA IF EXISTS projections_rebuilt CASCADE;
    CREATE SCHEMA projections_rebuilt;
    -- Whoever rebuilds: it is the owner of the functions below who clears away.
    EXECUTE format(
        'ALTER SCHEMA projections_rebuilt OWNER TO %s',
        (SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'projections')
    );
    CREATE TABLE projections_rebuilt.run (id text PRIMARY KEY);
    INSERT INTO projections_rebuilt.run VALUES (run);
END
$$;

-- The shadow of a table: empty, with its columns, constraints, options, owner and rights. Its indexes come later, but
-- for those of constraints.
CREATE OR REPLACE FUNCTION projections.make_shadow(table_name text) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    live regclass := format('projections.%I', table_name)::regclass;
    shadow text := format('projections_rebuilt.%I', table_name);
    part record;
BEGIN
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES)', shadow, live);
    FOR part IN
        SELECT conname, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE conrelid = live AND contype IN ('p', 'u')
    LOOP
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', shadow, part.conname, part.definition);
    END LOOP;
    FOR part IN
        SELECT option FROM pg_class, unnest(reloptions) AS option WHERE oid = live
    LOOP
        EXECUTE format('ALTER TABLE %s SET (%s)', shadow, part.option);
    END LOOP;
    FOR part IN
        SELECT attname, attstattarget FROM pg_attribute
        WHERE attrelid = live AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', shadow, part.attname, part.attstattarget);
    END LOOP;
    EXECUTE format('ALTER TABLE %s OWNER TO %s', shadow, (SELECT relowner::regrole::text FROM pg_class WHERE oid = live));
    FOR part IN
        SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
        FROM pg_class, aclexplode(relacl) AS a
        WHERE oid = live AND a.grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', part.privilege_type, shadow, part.grantee);
    END LOOP;
END
$$;

-- The shadow's other indexes, and statistics of what is in it, so that its first query is planned well.
-- Autovacuum may be at the shadow: it goes away when it was waited for a second, and waiting keeps nobody else waiting.
CREATE OR REPLACE FUNCTION projections.index_shadow(table_name text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '60s'
AS $$
DECLARE
    live regclass := format('projections.%I', table_name)::regclass;
    part record;
BEGIN
    FOR part IN
        SELECT pg_get_indexdef(i.indexrelid) AS definition
        FROM pg_index AS i
        WHERE i.indrelid = live
            AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)
    LOOP
        EXECUTE replace(
            part.definition,
            format(' ON projections.%I ', table_name),
            format(' ON projections_rebuilt.%I ', table_name)
        );
    END LOOP;
    EXECUTE format('ANALYZE projections_rebuilt.%I', table_name);
END
$$;

-- Autovacuum leaves these tables and their shadows alone until the transaction ends. Where it is at work it is waited
-- for, which makes it go after a second; meanwhile everybody reads and writes. lock_live waits too briefly for that.
CREATE OR REPLACE FUNCTION projections.keep_vacuum_away(table_names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '4s'
AS $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY table_names LOOP
        EXECUTE format(
            'LOCK TABLE projections.%1$I, projections_rebuilt.%1$I IN SHARE UPDATE EXCLUSIVE MODE', table_name
        );
    END LOOP;
END
$$;

-- Nobody else reads or writes these tables until the transaction ends. Waits for nobody longer than lock_timeout says.
CREATE OR REPLACE FUNCTION projections.lock_live(table_names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY table_names LOOP
        EXECUTE format('LOCK TABLE projections.%I IN ACCESS EXCLUSIVE MODE', table_name);
    END LOOP;
END
$$;

-- The shadows take the live tables' places. False: these are another run's shadows.
CREATE OR REPLACE FUNCTION projections.swap_shadows(run text, table_names text[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET client_min_messages = warning
AS $$
DECLARE
    table_name text;
BEGIN
    PERFORM FROM projections_rebuilt.run AS r WHERE r.id = run FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOREACH table_name IN ARRAY table_names LOOP
        EXECUTE format('DROP TABLE projections.%I', table_name);
        EXECUTE format('ALTER TABLE projections_rebuilt.%I SET SCHEMA projections', table_name);
    END LOOP;
    DROP SCHEMA projections_rebuilt CASCADE;
    RETURN true;
END
$$;

-- From now on every event that is taken into the inbox is noted, so that a rebuild misses none that arrives meanwhile.
-- Whoever is taking events in is waited for.
CREATE OR REPLACE FUNCTION projections.note_arrivals() RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    CREATE TABLE projections_rebuilt.arrived (
        n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        merchant_id text COLLATE "C" NOT NULL,
        stream text COLLATE "C" NOT NULL,
        identity text COLLATE "C" NOT NULL
    );

    CREATE FUNCTION projections_rebuilt.note() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $note$
    BEGIN
        INSERT INTO projections_rebuilt.arrived (merchant_id, stream, identity)
        SELECT t.merchant_id, t.stream, t.identity FROM taken AS t;
        RETURN NULL;
    END
    $note$;

    CREATE TRIGGER note_arrivals
    AFTER INSERT ON projections.billing_events
    REFERENCING NEW TABLE AS taken
    FOR EACH STATEMENT EXECUTE FUNCTION projections_rebuilt.note();
END
$$;

-- What a killed rebuild left behind goes, unless one is under way: it holds values of people who may be erased since.
-- True if there was something. Waits for nobody longer than 100 ms.
CREATE OR REPLACE FUNCTION projections.drop_abandoned_shadows(rebuild_lock bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET lock_timeout = '100ms'
AS $$
BEGIN
    IF to_regnamespace('projections_rebuilt') IS NULL OR NOT pg_try_advisory_xact_lock(rebuild_lock) THEN
        RETURN false;
    END IF;
    DROP SCHEMA IF EXISTS projections_rebuilt CASCADE;
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION projections.drop_abandoned_shadows(bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION projections.drop_abandoned_shadows(bigint) TO customers_app;

REVOKE ALL ON FUNCTION projections.begin_rebuild(text) FROM PUBLIC;

REVOKE ALL ON FUNCTION projections.make_shadow(text) FROM PUBLIC;

REVOKE ALL ON FUNCTION projections.index_shadow(text) FROM PUBLIC;

REVOKE ALL ON FUNCTION projections.keep_vacuum_away(text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION projections.lock_live(text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION projections.swap_shadows(text, text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION projections.note_arrivals() FROM PUBLIC;
