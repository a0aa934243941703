-- The database of the canaries. Every sensitive value holds the word quaxil or the digits 7314691 in a row (whatever stands
-- between them), or is the date 1891-07-31: so that a leak in any form can be looked for. No name of anything does.
CREATE DOMAIN mail_text AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE place AS (street text, zip text);
CREATE TYPE mood AS ENUM ('good', 'bad');

CREATE TABLE people (
    id integer PRIMARY KEY,
    full_name varchar(80) NOT NULL, first_name char(40), username name, email mail_text UNIQUE, ssn text, phone text,
    salary numeric(12, 2), account_number bigint, birth_date date, born timestamptz,
    ip_address inet, home_ip cidr, mac_address macaddr, api_key uuid, secrets jsonb, credentials json, passport text,
    private_key bytea, emails text[], wages numeric[], home_address place, income numrange, address_words tsvector,
    pin bit(32), geolocation point, card_number text, iban text, diagnosis text, password varchar(60),
    city text, points integer, active boolean DEFAULT true, joined date, feeling mood DEFAULT 'good',
    mail_copy text GENERATED ALWAYS AS (email::text || '') STORED,
    CONSTRAINT points_fit CHECK (points < 1000));
INSERT INTO people SELECT n,
    'Quaxil Vorne ' || n, 'Quaxil' || n, 'quaxil_' || n, 'quaxil.' || n || '@example.com', '731-46-91' || 10 + n, '+1-731-469-1' || 100 + n,
    73146.91, 7314691000000 + n, '1891-07-31', '1891-07-31 07:31:46.91+00',
    '73.146.91.7', '73.146.91.0/24', '73:14:69:1a:bc:de', '73146917-3146-4917-8314-691731469173',
    '{"k": "quaxil-jsonb"}', '{"k": "quaxil-json"}', '<k>quaxil-xml</k>', 'quaxil-bytes',
    ARRAY['quaxil.a@example.com', 'quaxil.b@example.com'], ARRAY[73146.91]::numeric[], ROW('Quaxil Road 7', '7314691')::place, '[73146.91,73146.92)'::numrange,
    to_tsvector('simple', 'quaxil road'), X'7314691A'::bit(32), '(73.14691,7.314691)'::point, '7314 6910 0000 00' || 10 + n,
    'DE73 1469 1000 0000 0000 ' || 10 + n, 'quaxil fever', 'quaxilpass' || n,
    CASE n % 3 WHEN 0 THEN 'Oslo' WHEN 1 THEN 'Lima' ELSE 'Rome' END, 10 * n, n % 2 = 0, date '2026-01-01' + n, 'good'
    FROM generate_series(1, 6) n;
CREATE INDEX people_by_mail ON people (lower(email)) WHERE city <> 'Nowhere';
CREATE STATISTICS people_pairs (mcv) ON full_name, email, city FROM people;

CREATE TABLE staff (badge text) INHERITS (people);
INSERT INTO staff (id, full_name, email, ssn, salary, city, points, badge)
    VALUES (7, 'Quaxil Staff', 'quaxil.staff@example.com', '731-46-9177', 73146.97, 'Oslo', 70, 'b-7');
CREATE TABLE members (id integer, email text, region text) PARTITION BY LIST (region);
CREATE TABLE members_north PARTITION OF members FOR VALUES IN ('north');
CREATE TABLE members_south PARTITION OF members FOR VALUES IN ('south');
INSERT INTO members VALUES (1, 'quaxil.north@example.com', 'north'), (2, 'quaxil.south@example.com', 'south');
CREATE TABLE orders (
    id integer PRIMARY KEY, person_id integer REFERENCES people, total numeric(10, 2) CHECK (total >= 0),
    status text NOT NULL DEFAULT 'new', placed_at timestamptz);
INSERT INTO orders SELECT n, 1 + n % 6, n * 1.5, CASE n % 3 WHEN 0 THEN 'new' ELSE 'paid' END,
    timestamptz '2026-01-01 00:00+00' + n * interval '7 hours' FROM generate_series(1, 40) n;
CREATE TABLE products (id integer PRIMARY KEY, title text, price numeric(8, 2), tags text[], attributes jsonb);
INSERT INTO products SELECT n, 'thing ' || n, n * 2.5, ARRAY['a', 'b'], jsonb_build_object('weight', n) FROM generate_series(1, 9) n;
CREATE TABLE drafts (id integer, email text, phone text);
CREATE TABLE scratch (id integer, label text);
CREATE TABLE jobs (id integer PRIMARY KEY, state text);

CREATE VIEW contacts AS SELECT id, full_name AS who, email AS how, city FROM people;
CREATE VIEW masked_by_hand AS SELECT id, left(email, 8) AS short, city FROM people;
CREATE VIEW cities AS SELECT city, count(*) AS residents FROM people GROUP BY city;
CREATE MATERIALIZED VIEW contact_list AS SELECT id, full_name || ' ' || email AS line, city FROM people;

-- What applications have: functions that return, report, keep and send values.
CREATE FUNCTION mail_of(integer) RETURNS text STABLE LANGUAGE sql AS 'SELECT email::text FROM people WHERE id = $1';
CREATE FUNCTION fixed_mail(integer) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN RETURN (SELECT email FROM people WHERE id = $1); END $$;
CREATE FUNCTION fixed_length(integer) RETURNS integer IMMUTABLE LANGUAGE sql AS
    $$ SELECT 7314691 + length(email) FROM people WHERE id = $1 $$;
CREATE FUNCTION person(integer) RETURNS people STABLE LANGUAGE sql AS 'SELECT * FROM ONLY people WHERE id = $1';
CREATE FUNCTION everyone() RETURNS TABLE (n integer, what text) STABLE LANGUAGE sql AS 'SELECT id, ssn FROM people';
CREATE FUNCTION noisy(integer) RETURNS integer STABLE LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'mail is %', (SELECT email FROM people WHERE id = $1); RETURN $1; END $$;
CREATE FUNCTION failing(integer) RETURNS integer STABLE LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no %', (SELECT email FROM people WHERE id = $1) USING DETAIL = 'quaxil detail', HINT = 'quaxil hint',
       COLUMN = 'quaxil column', CONSTRAINT = 'quaxil constraint', DATATYPE = 'quaxil type', TABLE = 'quaxil table', SCHEMA = 'quaxil schema',
       ERRCODE = 'P0001'; END $$;
CREATE FUNCTION like_the_server(integer) RETURNS integer STABLE LANGUAGE plpgsql AS
    $$ BEGIN RAISE undefined_table USING MESSAGE = 'relation "' || (SELECT email FROM people WHERE id = $1) || '" does not exist'; END $$;
CREATE FUNCTION asserting(integer) RETURNS integer STABLE LANGUAGE plpgsql AS
    $$ BEGIN ASSERT false, (SELECT ssn FROM people WHERE id = $1); RETURN 1; END $$;
CREATE FUNCTION keeping(integer) RETURNS integer STABLE LANGUAGE plpgsql AS
    $$ BEGIN PERFORM set_config('app.last', (SELECT email FROM people WHERE id = $1), false); RETURN 1; END $$;
CREATE FUNCTION naming(integer) RETURNS integer STABLE LANGUAGE plpgsql AS
    $$ BEGIN PERFORM set_config('application_name', (SELECT email FROM people WHERE id = $1), false); RETURN 1; END $$;
CREATE FUNCTION telling() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('changes', row_to_json(NEW)::text); RETURN NEW; END $$;
CREATE TRIGGER telling AFTER UPDATE OF points ON people FOR EACH ROW EXECUTE FUNCTION telling();
CREATE FUNCTION guarding() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.points > 500 THEN RAISE EXCEPTION 'too many for %', OLD.email; END IF; RETURN NEW; END $$;
CREATE TRIGGER guarding BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION guarding();
CREATE FUNCTION job_ready() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('jobs', NEW.id::text); RETURN NEW; END $$;
CREATE TRIGGER job_ready AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION job_ready();
CREATE PROCEDURE put_aside(integer) LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO scratch SELECT id, email FROM people WHERE id = $1; END $$;
CREATE PROCEDURE give(integer, INOUT found text) LANGUAGE plpgsql AS
    $$ BEGIN SELECT email INTO found FROM people WHERE id = $1; END $$;
CREATE AGGREGATE joined_up(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
CREATE OPERATOR ||> (LEFTARG = text, RIGHTARG = text, FUNCTION = textcat);
CREATE FUNCTION eq_loud(text, text) RETURNS boolean STABLE LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE '% and %', $1, $2; RETURN $1 = $2; END $$;
CREATE OPERATOR =! (LEFTARG = text, RIGHTARG = text, FUNCTION = eq_loud);
SELECT lo_from_bytea(900001, 'quaxil in a large object');

-- Constants in definitions.
CREATE TABLE guests (id integer PRIMARY KEY, email text DEFAULT 'quaxil.default@example.com', ssn text, salary numeric,
    city text DEFAULT 'Oslo', state text CHECK (state IN ('new', 'In Progress', 'done')),
    CONSTRAINT never CHECK (email <> 'quaxil check' AND salary <> 73146.91));
CREATE INDEX some_guests ON guests (city) WHERE ssn <> '731-46-9199';
CREATE VIEW vip AS SELECT id, city FROM guests WHERE email <> 'quaxil.view@example.com' AND ssn <> '731-46-9198';
CREATE MATERIALIZED VIEW vip_list AS SELECT id FROM guests WHERE email = 'quaxil list';
CREATE TABLE guests_by_mail (id integer, email text) PARTITION BY LIST (email);
CREATE TABLE guests_by_mail_one PARTITION OF guests_by_mail FOR VALUES IN ('quaxil.part@example.com');
CREATE POLICY only_some ON guests USING (ssn = '731-46-9197');
CREATE FUNCTION greet(who text DEFAULT 'quaxil.arg@example.com') RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN IF who = 'quaxil.in.code@example.com' THEN RETURN 'hello'; END IF; RETURN who; END $$;
CREATE TRIGGER some_guests BEFORE UPDATE ON guests FOR EACH ROW WHEN (NEW.email <> 'quaxil trigger') EXECUTE FUNCTION guarding();
ANALYZE;
CREATE TABLE odds (id integer, c7 text, remarks_on text, extra jsonb, several text[], words tsvector);
INSERT INTO odds SELECT n, 'quaxil.c' || n || '@example.com', 'call 731-46-91' || 10 + n || ' or quaxil.s' || n || '@example.com',
    jsonb_build_object('contact', 'quaxil.j' || n || '@example.com'), ARRAY['quaxil.x@example.com'],
    to_tsvector('simple', 'quaxil.t@example.com') FROM generate_series(1, 30) n;
COMMENT ON TABLE odds IS 'ask quaxil.comment@example.com';
ANALYZE odds;
-- Texts that nobody labelled, with nothing personal in them.
CREATE TABLE gadgets (id integer PRIMARY KEY, title text, state text, description text, packing text, settings jsonb, parts text[]);
INSERT INTO gadgets SELECT n, CASE n % 2 WHEN 0 THEN 'Small lamp ' ELSE 'Round table ' END || n,
    CASE n % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'done' ELSE 'late' END,
    CASE n % 3 WHEN 0 THEN 'Brushed steel, matt, 40 cm' WHEN 1 THEN 'Oiled wood with rounded edges' ELSE 'Frosted glass on a black foot' END,
    CASE n % 4 WHEN 0 THEN 'checked twice, ready for the shelf' WHEN 1 THEN 'box was damaged' END,
    jsonb_build_object('colour', CASE n % 2 WHEN 0 THEN 'red' ELSE 'blue' END, 'size', n, 'tags', jsonb_build_array('new', 'sale')),
    ARRAY['foot', 'shade'] FROM generate_series(1, 12) n;
COMMENT ON TABLE gadgets IS 'what is sold in the shop';
COMMENT ON COLUMN gadgets.title IS 'as printed on the box';
ANALYZE gadgets;
