-- Statements whose lineage is easily got wrong, one a paragraph; the lines of `--` in front say what is nasty about them.
-- They are for PostgreSQL 18. No expectations stand here: PostgreSQL's own analyser is asked.

-- plain columns, every way to name them
SELECT id, name FROM customers

SELECT customers.id, public.customers.name FROM customers

SELECT public.customers.name FROM public.customers

SELECT c.name FROM customers c

SELECT c.name, d.name FROM customers AS c, customers AS d

SELECT "c"."name" FROM customers "c"

SELECT C.NAME FROM Customers C

-- an alias hides the table's own name and takes another table's
SELECT orders.name FROM customers AS orders

SELECT customers.total, orders.name FROM orders AS customers, customers AS orders

-- an output's label is no source
SELECT id AS ssn, ssn AS id FROM customers

-- ORDER BY prefers the label, GROUP BY the column
SELECT name AS city, city AS name FROM customers ORDER BY city

SELECT upper(name) AS city FROM customers GROUP BY city, name

-- stars
SELECT * FROM customers

SELECT *, * FROM orders

SELECT c.*, o.* FROM customers c, orders o

SELECT o.*, 1, c.* FROM customers c JOIN orders o ON o.customer_id = c.id

SELECT public.customers.* FROM customers

TABLE orders

SELECT * FROM ONLY parties

SELECT * FROM parties*

-- a dropped column leaves a hole in the numbers
SELECT * FROM gone

SELECT late, kept FROM gone

SELECT gone FROM gone

-- a table without columns
SELECT * FROM empty

SELECT *, name FROM empty, customers

SELECT empty FROM empty

-- an alias's column list renames from the left
SELECT a, b, email FROM customers AS c(a, b)

SELECT * FROM customers AS c(ssn, id, a, email)

SELECT ssn, id FROM customers AS c(ssn, x, y, id)

SELECT c.* FROM customers AS c(id, ssn)

SELECT c FROM customers AS c(id, ssn)

-- whole rows
SELECT customers FROM customers

SELECT c FROM customers c

SELECT (c).ssn FROM customers c

SELECT (c).* FROM customers c

SELECT (c.*) FROM customers c

SELECT ROW(c.*) FROM customers c

SELECT ROW(c.*, 1) FROM customers c

SELECT c IS NULL FROM customers c

SELECT row_to_json(c) FROM customers c

SELECT c::text FROM customers c

SELECT to_jsonb(c) - 'ssn' FROM customers c

SELECT count(c) FROM customers c

SELECT max(c::text) FROM customers c

SELECT (ROW(c.name, c.ssn)).f2 FROM customers c

-- a column that bears its table's name wins over the whole row
SELECT wide FROM wide

SELECT customers FROM wide

SELECT customers FROM wide, customers

SELECT name FROM name

SELECT name.name FROM name

SELECT name FROM keywords, customers AS name(a, b)

SELECT customers FROM name, customers c

-- a function in the notation of a column
SELECT c.full_name FROM customers c

SELECT full_name(c) FROM customers c

SELECT c.row_to_json FROM customers c

SELECT (c).full_name FROM customers c

SELECT (d).upper FROM wide

-- composites
SELECT (home).city FROM customers

SELECT (c.home).city, c.city FROM customers c

SELECT (home).* FROM customers

SELECT (c.home).*, c.id FROM customers c

SELECT ((reach).home).zip FROM crm.staff

SELECT (((s.reach).home)).* FROM crm.staff s

SELECT (x.r).ssn FROM (SELECT c AS r FROM customers c) x

SELECT (x.r).f1 FROM (SELECT ROW(ssn, name) AS r FROM customers) x

SELECT ROW(name, ssn)::crm.contact IS NOT NULL FROM (SELECT name, home AS ssn FROM customers) x

-- joins
SELECT id FROM customers JOIN orders USING (id)

SELECT customers.id, orders.id FROM customers JOIN orders USING (id)

SELECT * FROM customers JOIN orders USING (id)

SELECT * FROM customers LEFT JOIN orders USING (id)

SELECT * FROM customers RIGHT JOIN orders USING (id)

SELECT id FROM customers RIGHT JOIN orders USING (id)

SELECT id FROM customers FULL JOIN orders USING (id)

SELECT * FROM customers FULL JOIN orders USING (id)

SELECT * FROM orders NATURAL JOIN crm.orders AS o

SELECT * FROM parties NATURAL JOIN people

SELECT * FROM parties NATURAL FULL JOIN people

SELECT * FROM name NATURAL JOIN customers

-- no column in common
SELECT * FROM gone NATURAL JOIN wide

SELECT * FROM customers c CROSS JOIN orders o CROSS JOIN order_lines

SELECT j.id, j.name, j.total FROM (customers JOIN orders USING (id)) AS j

SELECT j.* FROM (customers JOIN orders USING (id)) AS j

SELECT * FROM (customers JOIN orders USING (id)) AS j(a, b, c)

SELECT b FROM (customers JOIN orders USING (id)) AS j(a, b, c)

SELECT u.id FROM customers JOIN orders USING (id) AS u

SELECT u FROM customers JOIN orders USING (id) AS u

SELECT u.*, customers.id FROM customers JOIN orders USING (id) AS u

SELECT j FROM (customers c JOIN orders o ON o.customer_id = c.id) AS j

SELECT * FROM (customers JOIN orders USING (id)) JOIN payments USING (id)

SELECT * FROM customers JOIN (orders JOIN payments USING (id)) USING (id)

SELECT * FROM customers JOIN (orders FULL JOIN payments USING (id)) USING (id)

SELECT id FROM customers FULL JOIN orders USING (id) FULL JOIN payments USING (id)

SELECT x.* FROM ((customers c JOIN orders o USING (id)) JOIN payments p USING (id)) AS x

SELECT c.*, p.* FROM ((customers c JOIN orders o USING (id)) JOIN payments p USING (id))

SELECT * FROM customers c LEFT JOIN (orders o JOIN order_lines l ON l.order_id = o.id) ON o.customer_id = c.id

SELECT amount FROM orders o JOIN payments p ON p.order_id = o.id

-- USING after an alias list
SELECT * FROM customers AS c(k) JOIN orders AS o(k) USING (k)

SELECT k, c.name FROM customers AS c(k) FULL JOIN orders AS o(k) USING (k)

SELECT name FROM customers JOIN name USING (name)

-- subqueries
SELECT * FROM (SELECT id, ssn AS name FROM customers) s

SELECT name FROM (SELECT id, ssn AS name FROM customers) s

SELECT s.b FROM (SELECT ssn, name FROM customers) AS s(a, b)

SELECT s FROM (SELECT ssn, name FROM customers) AS s

SELECT x FROM (SELECT max(ssn) FROM customers) AS s(x)

SELECT max FROM (SELECT max(ssn) FROM customers) AS s

SELECT s.upper FROM (SELECT upper(ssn) FROM customers) AS s

SELECT "?column?" FROM (SELECT ssn || name FROM customers) AS s

SELECT ssn FROM (SELECT CASE WHEN score > 1 THEN name ELSE ssn END FROM customers) AS s

SELECT "array" FROM (SELECT ARRAY[ssn] FROM customers) AS s

SELECT "row" FROM (SELECT ROW(ssn) FROM customers) AS s

SELECT "coalesce" FROM (SELECT coalesce(ssn, name) FROM customers) AS s

SELECT text FROM (SELECT 1::text, ssn FROM customers) AS s

SELECT s.ssn FROM (SELECT ssn::varchar FROM customers) AS s

SELECT s.city FROM (SELECT (home).city FROM customers) AS s

SELECT s.tags FROM (SELECT tags[1] FROM customers) AS s

SELECT "exists" FROM (SELECT EXISTS (SELECT ssn FROM customers)) AS s

SELECT s.max FROM (SELECT (SELECT max(ssn) FROM customers)) AS s

SELECT ssn FROM (SELECT (SELECT ssn FROM customers LIMIT 1)) AS s

SELECT date FROM (SELECT date '2020-01-01', ssn FROM customers) AS s

SELECT current_user FROM (SELECT current_user, ssn FROM customers) AS s

-- scalar subqueries, correlated
SELECT (SELECT ssn FROM customers WHERE id = o.customer_id) FROM orders o

SELECT (SELECT c.name || o.note FROM customers c WHERE c.id = o.customer_id) FROM orders o

SELECT (SELECT o.note) FROM orders o

-- the inner name hides the outer one
SELECT (SELECT id FROM orders LIMIT 1) FROM customers

-- a column that only the outer query has
SELECT (SELECT ssn FROM orders LIMIT 1) FROM customers

SELECT (SELECT c.id FROM orders c LIMIT 1) FROM customers c

SELECT id, (SELECT (SELECT (SELECT c.ssn))) FROM customers c

SELECT EXISTS (SELECT ssn FROM customers), EXISTS (SELECT c.name) FROM customers c

SELECT id IN (SELECT customer_id FROM orders) FROM customers

SELECT (name, city) IN (SELECT note, status::text FROM orders) FROM customers

SELECT score > ALL (SELECT total FROM orders) FROM customers

SELECT ARRAY(SELECT ssn FROM customers), ARRAY(SELECT note FROM orders ORDER BY total)

SELECT name = ANY (tags), name <> ALL (ARRAY[city, ssn]) FROM customers

SELECT NOT EXISTS (SELECT FROM customers WHERE ssn > o.note) FROM orders o

SELECT CASE WHEN EXISTS (SELECT ssn FROM customers) THEN 1 ELSE id END FROM orders

-- nothing of a filter flows
SELECT id FROM customers WHERE ssn > '5' AND EXISTS (SELECT 1 FROM orders WHERE note = ssn) ORDER BY email

SELECT city FROM customers GROUP BY city, ssn HAVING max(ssn) > '1'

SELECT 1 FROM customers WHERE ssn = '1'

SELECT DISTINCT ON (ssn) name FROM customers ORDER BY ssn, born

SELECT id FROM customers LIMIT (SELECT count(*) FROM orders)

-- LATERAL
SELECT x.* FROM customers c, LATERAL (SELECT c.ssn, o.note FROM orders o WHERE o.customer_id = c.id) x

SELECT y FROM customers c LEFT JOIN LATERAL (SELECT c.name || c.ssn) AS x(y) ON true

SELECT t FROM customers, unnest(tags) t

SELECT u FROM customers, unnest(tags) AS u(u)

SELECT u.* FROM customers c, unnest(c.tags, ARRAY[c.ssn]) AS u(a, b)

SELECT * FROM customers c, LATERAL (VALUES (c.ssn, c.name), ('x', c.city)) AS v(a, b)

SELECT key, value FROM customers, jsonb_each(doc)

SELECT e.* FROM customers, jsonb_each_text(doc) AS e

SELECT * FROM customers c, jsonb_to_record(c.doc) AS r(a text, b integer)

SELECT r.a, r.b, c.id FROM customers c, jsonb_to_record(c.doc) AS r(a text, b integer)

SELECT n, o FROM customers, unnest(tags) WITH ORDINALITY AS t(n, o)

SELECT * FROM generate_series(1, 3) WITH ORDINALITY

SELECT generate_series FROM generate_series(1, 3)

SELECT g, c.name FROM customers c, generate_series(1, c.id) g

SELECT * FROM ROWS FROM (unnest(ARRAY[1]), generate_series(1, 2)) AS r(a, b)

SELECT a, b, o FROM customers, ROWS FROM (unnest(tags), jsonb_object_keys(doc)) WITH ORDINALITY AS r(a, b, o)

SELECT * FROM customers c, regexp_matches(c.ssn, '(\d)(\d)') AS m

SELECT m[1] FROM customers c, regexp_matches(c.ssn, '(\d)(\d)') AS m

-- functions that do what they like
SELECT ssn_of(1), twice(2)

SELECT ssn_of(id), twice(id), id FROM orders

SELECT * FROM customers_in('x')

SELECT c.ssn, c.id FROM customers_in('x') c

SELECT * FROM pairs(1)

SELECT k, v FROM pairs(1)

SELECT (customers_in('x')).ssn

SELECT (pairs(1)).*

SELECT name <~> city, name < city FROM customers

SELECT gather(name) FROM customers

SELECT name::sealed, CAST(city AS sealed) IS NULL FROM customers

SELECT (note::sealed).inside, note::sealed IS NULL FROM orders

SELECT query_to_xml('select 1', true, true, '')

SELECT table_to_xml('customers', true, false, '')

-- aggregates
SELECT count(*), count(ssn), count(DISTINCT ssn) FROM customers

SELECT count(*) FILTER (WHERE ssn > '5'), sum(score) FILTER (WHERE city = 'x') FROM customers

SELECT array_agg(name ORDER BY ssn), string_agg(name, ',' ORDER BY born DESC, id) FROM customers

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY score), mode() WITHIN GROUP (ORDER BY city) FROM customers

SELECT rank(5) WITHIN GROUP (ORDER BY score) FROM customers

SELECT rank(city) WITHIN GROUP (ORDER BY name) FROM customers GROUP BY city

SELECT json_object_agg(name, ssn), jsonb_agg(c) FROM customers c

SELECT sum(total) + count(note), avg(total) / count(*) FROM orders

SELECT min(ssn) || count(name) FROM customers

SELECT count(ssn) > 1, pg_typeof(ssn), pg_typeof(max(name)) FROM customers GROUP BY ssn

-- an aggregate of the outer query inside a subquery
SELECT (SELECT max(c.ssn)) FROM customers c

SELECT city, GROUPING(city), GROUPING(city, name), count(*) FROM customers GROUP BY GROUPING SETS ((city), (name), ())

SELECT city, name, sum(score) FROM customers GROUP BY ROLLUP (city, name)

SELECT born, city, sum(id) FROM customers GROUP BY CUBE (born, (city, name))

SELECT date_trunc('year', born), upper(city) FROM customers GROUP BY 1, 2 ORDER BY 2

SELECT cume_dist(city, id) WITHIN GROUP (ORDER BY name, score) FROM customers GROUP BY city, id

-- windows
SELECT row_number() OVER (), rank() OVER (ORDER BY score), ntile(4) OVER (PARTITION BY city) FROM customers

SELECT ntile(id) OVER (ORDER BY name) FROM customers

SELECT lag(ssn, 1, name) OVER w, first_value(email) OVER (w ROWS 1 PRECEDING) FROM customers WINDOW w AS (PARTITION BY city ORDER BY born)

SELECT sum(score) OVER w, sum(score) OVER (w2), count(*) OVER w2 FROM customers
WINDOW w AS (ORDER BY id), w2 AS (PARTITION BY city)

SELECT count(ssn) OVER (), count(*) FILTER (WHERE ssn > '1') OVER (ORDER BY id) FROM customers

SELECT sum(score) OVER (ORDER BY born RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM customers

SELECT rank() OVER (ORDER BY sum(total) DESC), customer_id FROM orders GROUP BY customer_id

SELECT sum(sum(total)) OVER (PARTITION BY status), max(id) OVER (ORDER BY id) FROM orders GROUP BY status, id

SELECT r FROM (SELECT row_number() OVER (PARTITION BY ssn ORDER BY born) AS r, name FROM customers) x WHERE r = 1

-- set operations
SELECT name FROM customers UNION SELECT ssn FROM customers

SELECT id, name FROM customers UNION ALL SELECT customer_id, note FROM orders

SELECT name FROM customers EXCEPT SELECT note FROM orders

SELECT name FROM customers INTERSECT SELECT note FROM orders

SELECT 1, 'x' UNION ALL SELECT id, ssn FROM customers

SELECT name FROM customers UNION (SELECT note FROM orders ORDER BY total LIMIT 1) ORDER BY name

(SELECT name FROM customers) UNION ALL (SELECT ssn FROM customers EXCEPT SELECT sku FROM order_lines)

SELECT name FROM customers UNION SELECT note FROM orders INTERSECT SELECT card FROM payments

SELECT * FROM (SELECT ssn AS a FROM customers UNION ALL SELECT name AS b FROM customers) s

SELECT a FROM (SELECT name AS a, 1 AS b FROM customers UNION ALL SELECT 'x', id FROM orders) s

SELECT * FROM parties UNION ALL SELECT id, note, 'x' FROM orders

SELECT * FROM contacts UNION SELECT id, name, email, city FROM customers

TABLE parties UNION ALL SELECT 1, ssn, 'x' FROM customers

VALUES (1, 'x') UNION ALL SELECT id, ssn FROM customers

SELECT id FROM customers UNION ALL VALUES (1), (2) ORDER BY 1

((((SELECT ssn FROM customers)))) UNION ((SELECT name FROM customers))

(SELECT * FROM wide ORDER BY a) LIMIT 1

SELECT null UNION SELECT null UNION SELECT ssn FROM customers

-- VALUES
VALUES (1, 'x'), (2, 'y')

-- a row's star stands for its columns here too
SELECT * FROM customers c, LATERAL (VALUES (c.*)) v

SELECT v.column4 FROM customers c, LATERAL (VALUES (c.*, 1)) v

SELECT v.* FROM empty e, LATERAL (VALUES (e.*, 1)) v

SELECT c.*, r1 FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['x'])) AS i (g, u), LATERAL (VALUES (i.*, 1)) AS c (r0, r1, r2)

SELECT r2, r3 FROM order_lines p, LATERAL (VALUES (p.*, 1)) AS i (r0, r1, r2, r3, r4, r5, r6)

SELECT x.b, x.column6 FROM pairs(1) AS i, LATERAL (VALUES (1, i.*, i.k, 'x', i.v)) AS x (a, b, c)

SELECT ROW(c.*, o.*) FROM customers c, orders o

SELECT (SELECT x FROM (SELECT c.*) x) FROM crm.orders c

VALUES ((SELECT max(ssn) FROM customers), 1), ('x', (SELECT count(*) FROM orders))

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v

SELECT column2, column1 FROM (VALUES (1, (SELECT max(ssn) FROM customers))) v

SELECT v.x FROM (VALUES (1, 'a')) v(x)

SELECT v FROM (VALUES (1, 'a')) v(x)

SELECT c.name, v.label FROM customers c JOIN (VALUES ('x', 1), ('y', 2)) v(label, id) USING (id)

-- WITH
WITH x AS (SELECT id, ssn FROM customers) SELECT * FROM x

WITH x AS (SELECT id, ssn FROM customers) SELECT ssn FROM x

WITH x(a, b) AS (SELECT id, ssn FROM customers) SELECT b, a FROM x

WITH x(a) AS (SELECT id, ssn FROM customers) SELECT a, ssn FROM x

WITH x AS MATERIALIZED (SELECT ssn FROM customers), y AS NOT MATERIALIZED (SELECT ssn AS z FROM x) SELECT z FROM y, x

-- a WITH query hides the table of its name, but not in itself and not with a schema
WITH orders AS (SELECT ssn AS note FROM customers) SELECT note FROM orders

WITH orders AS (SELECT note FROM orders) SELECT note FROM orders

WITH customers AS (SELECT note AS ssn FROM orders) SELECT ssn FROM public.customers

WITH customers AS (SELECT note AS ssn FROM orders) SELECT customers.ssn, p.ssn FROM customers, public.customers p

WITH x AS (SELECT ssn FROM customers) SELECT (WITH x AS (SELECT name FROM customers) SELECT name FROM x LIMIT 1), ssn FROM x

WITH x AS (SELECT ssn FROM customers) SELECT * FROM (WITH x AS (SELECT note FROM orders) SELECT * FROM x) y

WITH x AS (WITH y AS (SELECT ssn AS k FROM customers) SELECT k FROM y) SELECT k FROM x

WITH x AS (SELECT c FROM customers c) SELECT (c).ssn FROM x

WITH x AS (SELECT * FROM customers JOIN orders USING (id)) SELECT name, total, id FROM x

WITH x AS (TABLE customers) SELECT x FROM x

WITH x AS (VALUES (1, 2)) SELECT column1 FROM x

SELECT (WITH y AS (SELECT c.ssn) SELECT * FROM y) FROM customers c

-- not recursive: the inner name is the table
WITH wide AS (SELECT a FROM wide) SELECT * FROM wide

-- recursive
WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM t

WITH RECURSIVE t AS (SELECT id, name FROM crm.staff UNION ALL SELECT s.id, t.name || s.name FROM crm.staff s JOIN t ON s.manager_id = t.id) SELECT * FROM t

-- values wander from column to column
WITH RECURSIVE t(a, b, c) AS (SELECT 1::text, 'x'::text, ssn FROM customers UNION ALL SELECT b, c, a FROM t) SELECT a, b FROM t

WITH RECURSIVE t(a, b) AS (SELECT name, 1 FROM customers UNION SELECT a, b + 1 FROM t WHERE b < 3) SELECT a, b FROM t

WITH RECURSIVE t(a, b) AS (SELECT id, name FROM customers UNION ALL SELECT t.a, o.note FROM t, orders o)
SEARCH DEPTH FIRST BY a SET ord SELECT * FROM t ORDER BY ord

WITH RECURSIVE t(a, b) AS (SELECT id, name FROM customers UNION ALL SELECT t.a, o.note FROM t, orders o)
SEARCH BREADTH FIRST BY b SET ord CYCLE a SET seen USING path SELECT a, b, ord, seen, path FROM t

WITH RECURSIVE t(a, b) AS (SELECT id, name FROM customers UNION ALL SELECT t.a, o.note FROM t, orders o)
CYCLE a SET seen TO 'y' DEFAULT 'n' USING path SELECT seen, path FROM t

-- their columns are not in the star of a query further in
WITH RECURSIVE q (k0, k1) AS (SELECT 1, ssn FROM customers UNION ALL SELECT k0, k1 FROM q) SEARCH DEPTH FIRST BY k0 SET sought,
w (c0, c1, c2) AS (SELECT * FROM q, name) SELECT c2 FROM w

WITH RECURSIVE q (k0, k1) AS (SELECT 1, ssn FROM customers UNION ALL SELECT k0, k1 FROM q) CYCLE k0 SET seen USING path
SELECT * FROM (SELECT * FROM q) x, q

WITH RECURSIVE q (k0, k1) AS (SELECT 1, ssn FROM customers UNION ALL SELECT k0, k1 FROM q) SEARCH BREADTH FIRST BY k1 SET sought
SELECT (SELECT sought FROM q LIMIT 1), x.*, x FROM (SELECT q.*, sought FROM q) x

WITH RECURSIVE x AS (SELECT ssn AS k FROM customers), y AS (SELECT k FROM x UNION ALL SELECT k FROM y) SELECT * FROM y

-- RECURSIVE lets a query see a later one
WITH RECURSIVE y AS (SELECT k FROM x), x AS (SELECT ssn AS k FROM customers) SELECT k FROM y

WITH RECURSIVE orders AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM orders WHERE id < 5) SELECT id FROM orders

-- changes in WITH
WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING *) SELECT note, total FROM d

WITH d AS (DELETE FROM orders o USING customers c WHERE c.id = o.customer_id RETURNING o.id, c.ssn) SELECT * FROM d

WITH i AS (INSERT INTO parties (id, name) SELECT id, ssn FROM customers RETURNING id, name) SELECT name FROM i

WITH u AS (UPDATE customers SET city = ssn WHERE id = 1 RETURNING city AS c) SELECT c FROM u

WITH old_orders AS (DELETE FROM orders RETURNING *) INSERT INTO parties (id, name) SELECT id, note FROM old_orders RETURNING name

WITH x AS (SELECT ssn FROM customers) UPDATE orders SET note = x.ssn FROM x RETURNING orders.note, x.ssn

WITH x AS (SELECT id FROM customers) DELETE FROM orders USING x WHERE x.id = orders.customer_id RETURNING *

-- RETURNING
INSERT INTO parties VALUES (1, 'x', 'y') RETURNING *

INSERT INTO parties (name, id) VALUES ('x', 1) RETURNING id, name, kind

INSERT INTO parties (id, name) SELECT id, ssn FROM customers RETURNING id, name

INSERT INTO parties SELECT id, ssn FROM customers RETURNING *

INSERT INTO parties (name) SELECT ssn FROM customers RETURNING parties

INSERT INTO parties AS p (name) VALUES ((SELECT max(ssn) FROM customers)) RETURNING p.name, p.id

INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name || customers.ssn RETURNING name

INSERT INTO customers (id, name, city) SELECT id, note, 'x' FROM orders ON CONFLICT (id) DO UPDATE SET (ssn, city) = ROW(excluded.name, 'y') RETURNING ssn, city, name

INSERT INTO orders DEFAULT VALUES RETURNING id

INSERT INTO orders (id, note) VALUES (1, DEFAULT) RETURNING upper(note), (SELECT max(ssn) FROM customers), id + 1

INSERT INTO parties (id, name) (SELECT id, name FROM customers UNION SELECT id, note FROM orders) RETURNING name

INSERT INTO customers (home.city, id) VALUES ((SELECT max(ssn) FROM customers), 1) RETURNING home, (home).city

UPDATE customers SET city = 'x' RETURNING *

UPDATE customers SET city = ssn RETURNING city, ssn

UPDATE customers SET city = ssn, name = city RETURNING name, city

UPDATE customers c SET (name, city) = (SELECT note, status::text FROM orders WHERE customer_id = c.id) RETURNING name, c.city, c.ssn

UPDATE customers SET (name, city) = (ssn, 'x') RETURNING city, name

UPDATE customers SET tags[1] = ssn RETURNING tags, tags[2]

UPDATE customers SET home.city = ssn RETURNING home, (home).zip

UPDATE orders o SET note = c.ssn FROM customers c WHERE c.id = o.customer_id RETURNING o.id, c.name, o.note

UPDATE orders SET note = j.name FROM (customers JOIN payments USING (id)) j WHERE j.id = orders.id RETURNING *

UPDATE orders SET note = note || 'x' FROM customers RETURNING customers

DELETE FROM customers RETURNING ssn

DELETE FROM customers c USING orders o WHERE o.customer_id = c.id RETURNING c.*, o.note

DELETE FROM customers USING orders WHERE customer_id = customers.id RETURNING *

DELETE FROM ONLY parties AS p RETURNING p.name, tableoid

UPDATE customers SET city = ssn RETURNING old.city, new.city, old, new

UPDATE customers SET city = ssn RETURNING WITH (OLD AS o, NEW AS n) o.city, n.city, o.*, city

INSERT INTO parties (id, name) SELECT id, ssn FROM customers RETURNING old.name, new.name, name

DELETE FROM customers RETURNING old.ssn, new.ssn, ssn

MERGE INTO parties p USING customers c ON c.id = p.id WHEN MATCHED THEN UPDATE SET name = c.ssn
WHEN NOT MATCHED THEN INSERT (id, name, kind) VALUES (c.id, c.city, 'x') RETURNING p.name, p.kind, p.id, c.email, merge_action()

MERGE INTO parties p USING customers c ON c.id = p.id WHEN MATCHED THEN DELETE RETURNING *

MERGE INTO parties USING (SELECT id AS k, note FROM orders) s ON k = id WHEN MATCHED AND name > 'x' THEN UPDATE SET (name, kind) = (s.note, 'y')
WHEN NOT MATCHED THEN DO NOTHING RETURNING parties.*, s.note

WITH m AS (MERGE INTO parties p USING customers c ON c.id = p.id WHEN MATCHED THEN UPDATE SET name = c.ssn RETURNING p.name, c.id) SELECT * FROM m

MERGE INTO parties p USING customers c ON c.id = p.id WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN UPDATE SET name = c.ssn RETURNING p.name, kind

-- the target cannot be seen in the source
MERGE INTO customers AS wide USING LATERAL (SELECT (name IS NULL) AS o FROM pairs(1) AS name (k, v)) AS p ON true WHEN MATCHED THEN DELETE RETURNING o

MERGE INTO parties p USING customers c ON CASE WHEN c.id > 1 THEN p.id ELSE 2 END = c.id
WHEN MATCHED AND CASE WHEN p.name > 'x' THEN true END THEN UPDATE SET name = CASE WHEN c.ssn > '5' THEN c.city ELSE 'x' END RETURNING p.name

-- expressions
SELECT CASE WHEN ssn > '5' THEN 1 ELSE 0 END, CASE city WHEN name THEN email ELSE 'x' END FROM customers

SELECT coalesce(name, ssn), nullif(name, city), greatest(score, id), least(born, '2020-01-01') FROM customers

SELECT name || ssn, -id, NOT (id > 1), id BETWEEN score AND 9, name LIKE city ESCAPE '!', name IS DISTINCT FROM ssn FROM customers

SELECT name COLLATE "C", born AT TIME ZONE 'UTC', placed_at AT TIME ZONE note FROM customers, orders

SELECT CAST(ssn AS varchar(3)), ssn::text::varchar, text(ssn), varchar '1' FROM customers

SELECT extract(year FROM born), substring(ssn FROM 1 FOR id), position(name IN ssn), overlay(ssn PLACING name FROM 1), trim(BOTH name FROM ssn) FROM customers

SELECT tags[1], tags[id:2], doc -> 'a', doc ->> name, doc #>> tags, doc['x'] FROM customers

SELECT ARRAY[name, ssn], ARRAY[[id, 1], [2, 3]], ROW(id, ssn), (id, name) FROM customers

SELECT (id, name) = (1, ssn), (id, score) < (2, 3), ROW(id) IS NULL FROM customers

SELECT interval '1' day, timestamp with time zone '2020-01-01', 1.5e3, B'1', X'ff', U&'\0041', $$x$$, E'\n', null, true

SELECT now(), current_date, current_user, session_user, localtime, random(), gen_random_uuid()

SELECT (placed_at, interval '1 day') OVERLAPS (placed_at, now()) FROM orders

SELECT id::text, tableoid, ctid, xmin, tableoid::regclass FROM customers

SELECT c.tableoid, c.ctid, o.xmax FROM customers c, orders o

SELECT format('%s', ssn), concat(name, city), concat_ws(',', VARIADIC tags) FROM customers

SELECT make_interval(days => id), to_char(born, 'YYYY'), age(born) FROM customers

-- names that look like something else
SELECT "user", "end", "table", value, name, "order", row, date FROM keywords

SELECT user, "user" FROM keywords

SELECT k.user, k.end, k.table, k.order FROM keywords k

SELECT value "end", name "select", date date FROM keywords

SELECT "Id", "Full Name", "select", "from", "Mixed Case" FROM "Odd Place"."Mixed Case"

SELECT "Mixed Case"."select" FROM "Odd Place"."Mixed Case"

SELECT "Mixed Case" FROM "Odd Place"."Mixed Case"

SELECT m FROM "Odd Place"."Mixed Case" m

SELECT U&"\0073sn", "name" FROM customers

SELECT value, name FROM name

SELECT id label, ssn value, city "year" FROM customers

SELECT id int, 1 text FROM customers

SELECT orders FROM crm.staff

SELECT staff.orders, orders.orders FROM crm.staff, crm.staff AS orders

SELECT crm.staff.salary FROM crm.staff

SELECT orders.secret FROM crm.orders

SELECT public.orders.note, crm.orders.secret FROM public.orders, crm.orders

SELECT a.id, b.id FROM orders a, crm.orders b

-- views, partitions, inheritance
SELECT who, mail FROM contacts

SELECT * FROM crm.rich

SELECT r.salary, upper(r.who) FROM crm.rich r

SELECT * FROM totals

SELECT card FROM payments UNION ALL SELECT card FROM payments_low

SELECT p.*, q.name FROM people p JOIN parties q USING (id)

SELECT vat FROM firms UNION SELECT ssn FROM people

-- grammar's corners
SELECT FROM customers

SELECT ALL name FROM customers

SELECT DISTINCT name, upper(ssn) FROM customers

SELECT name FROM customers FOR UPDATE OF customers SKIP LOCKED

SELECT name, ssn FROM customers ORDER BY 1, 2 OFFSET 1 ROW FETCH FIRST 2 ROWS ONLY

SELECT name FROM customers TABLESAMPLE bernoulli (10) REPEATABLE (1)

SELECT name/**/,/* ssn */city -- email
FROM customers

SELECT c.name AS "c.ssn" FROM customers c

SELECT (((ssn))), ((name)) AS n FROM customers

SELECT (SELECT ssn FROM customers c WHERE c.id = x.id UNION SELECT x.note LIMIT 1) FROM orders x

SELECT o.id, x.* FROM orders o, LATERAL (SELECT o.note UNION ALL SELECT ssn FROM customers WHERE id = o.customer_id) x

SELECT * FROM (SELECT * FROM (SELECT * FROM customers) a) b

SELECT a.id, b.* FROM (SELECT * FROM customers) a JOIN (SELECT id AS x, note FROM orders) b ON a.id = b.x

SELECT id, id FROM (SELECT ssn AS id FROM customers) s

SELECT s.* FROM (SELECT c.*, o.note AS extra FROM customers c JOIN orders o ON true) s

SELECT extra, ssn FROM (SELECT c.*, o.note AS extra FROM customers c JOIN orders o ON true) s
