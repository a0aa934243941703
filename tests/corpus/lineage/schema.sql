-- What the lineage corpus and the made statements run over (PostgreSQL 14 and later).
CREATE SCHEMA crm;
CREATE SCHEMA "Odd Place";
CREATE DOMAIN crm.email AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE crm.address AS (street text, city text, zip text);
CREATE TYPE crm.contact AS (phone text, home crm.address);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');

CREATE TABLE customers (
    id integer PRIMARY KEY, name text, email crm.email, ssn text, city text, home crm.address,
    tags text[], doc jsonb, born date, score numeric(8, 2));
CREATE TABLE orders (
    id integer PRIMARY KEY, customer_id integer REFERENCES customers, total numeric(10, 2), placed_at timestamptz,
    note text, status mood);
CREATE TABLE order_lines (
    order_id integer REFERENCES orders, line_no integer, sku text, quantity integer, price numeric(10, 2),
    amount numeric(12, 2) GENERATED ALWAYS AS (quantity * price) STORED, PRIMARY KEY (order_id, line_no));
CREATE TABLE payments (
    id bigint PRIMARY KEY, order_id integer, card text, amount numeric(10, 2), paid_at timestamptz)
    PARTITION BY RANGE (id);
CREATE TABLE payments_low PARTITION OF payments FOR VALUES FROM (0) TO (1000);
CREATE TABLE payments_high PARTITION OF payments FOR VALUES FROM (1000) TO (100000);
CREATE TABLE crm.staff (
    id integer PRIMARY KEY, name text, salary integer, manager_id integer, reach crm.contact, orders integer);
CREATE TABLE crm.orders (id integer, agent_id integer, secret text);
CREATE TABLE parties (id integer, name text, kind char(1));
CREATE TABLE people (ssn text, born date) INHERITS (parties);
CREATE TABLE firms (vat text) INHERITS (parties);
CREATE TABLE "Odd Place"."Mixed Case" ("Id" integer, "Full Name" text, "select" text, "from" integer, "Mixed Case" text);
CREATE TABLE keywords ("user" text, "end" text, "table" text, value text, name text, "order" integer, row text, date date);
CREATE TABLE name (name text, value integer, customers text);
CREATE TABLE wide (a integer, b integer, c text, d text, e boolean, f double precision, customers text, wide text);
CREATE TABLE gone (kept text, lost text, late integer);
ALTER TABLE gone DROP COLUMN lost;
CREATE TABLE empty ();

CREATE VIEW contacts AS SELECT id, name AS who, email AS mail, ssn FROM customers;
CREATE VIEW crm.rich AS SELECT s.id, s.name, s.salary, c.who FROM crm.staff s JOIN contacts c ON c.id = s.id;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;

CREATE FUNCTION ssn_of(integer) RETURNS text LANGUAGE sql STABLE AS $$SELECT ssn FROM customers WHERE id = $1$$;
CREATE FUNCTION twice(x integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$SELECT x * 2$$;
CREATE FUNCTION customers_in(text) RETURNS SETOF customers LANGUAGE sql STABLE
    AS $$SELECT * FROM customers WHERE city = $1$$;
CREATE FUNCTION pairs(n integer) RETURNS TABLE (k integer, v text) LANGUAGE plpgsql STABLE
    AS $$BEGIN RETURN QUERY SELECT id, ssn FROM customers; END$$;
CREATE FUNCTION full_name(customers) RETURNS text LANGUAGE sql STABLE AS $$SELECT $1.name || $1.ssn$$;
CREATE FUNCTION secret_of(text, text) RETURNS text LANGUAGE sql STABLE AS $$SELECT max(secret) FROM crm.orders$$;
CREATE OPERATOR <~> (LEFTARG = text, RIGHTARG = text, FUNCTION = secret_of);
CREATE FUNCTION secret_state(text, text) RETURNS text LANGUAGE sql STABLE AS $$SELECT max(secret) FROM crm.orders$$;
CREATE AGGREGATE gather(text) (SFUNC = secret_state, STYPE = text);
CREATE TYPE sealed AS (inside text);
CREATE FUNCTION seal(text) RETURNS sealed LANGUAGE sql STABLE AS $$SELECT ROW(ssn)::sealed FROM customers LIMIT 1$$;
CREATE CAST (text AS sealed) WITH FUNCTION seal(text);
