SELECT 1
--=--
select abalance from pgbench_accounts where aid = 1234567;
--=--
UPDATE pgbench_accounts SET abalance = abalance + -42 WHERE aid = 17;
--=--
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, -4, CURRENT_TIMESTAMP);
--=--
SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.status = 'shipped' ORDER BY 1 DESC LIMIT 20 OFFSET 40
--=--
WITH gone AS (DELETE FROM carts WHERE created_at < now() - interval '30 days' RETURNING *) SELECT count(*) FROM gone
--=--
SELECT data->'a'->>'b', data #> '{a,b}', data #>> '{a,b}', data @> '{"a": 1}', data ? 'k', data ?| array['x','y'], data ?& array['x'] FROM docs
--=--
SELECT a[1], a[1:2], a[:2], a[1:], b[1][2] FROM t
--=--
SELECT x::int, y::numeric(10,2), z::text[], (now() at time zone 'utc')::date
--=--
SELECT f(a => 1, b := 2)
--=--
SELECT * FROM generate_series(1,10) WITH ORDINALITY AS g(v, n)
--=--
BEGIN; SAVEPOINT a; ROLLBACK TO a; COMMIT
--=--
COPY public.people (id, name) FROM STDIN WITH (FORMAT csv, HEADER true, DELIMITER '|')
--=--
PREPARE q(int, text) AS SELECT * FROM t WHERE a = $1 AND b = $2
--=--
EXECUTE q(1, 'x')
--=--
SELECT $1, $2::text, $10, $1+$2
--=--
EXPLAIN (ANALYZE, BUFFERS OFF) DELETE FROM t
--=--
SELECT CASE WHEN a THEN b ELSE c END, NOT d, e IS DISTINCT FROM f, g BETWEEN 1 AND 2
--=--
SELECT a FROM t WHERE b ~ '^x' AND c !~* 'y$' AND d LIKE '%z%' ESCAPE '!' AND e ~~ 'q' AND f !~~* 'r'
--=--
MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a, DEFAULT)
--=--
SELECT sum(x) FILTER (WHERE y > 0) OVER (PARTITION BY z ORDER BY w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
--=--
DO LANGUAGE plpgsql $$BEGIN RAISE NOTICE 'x'; END$$
--=--
CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS $body$ SELECT $1 + 1 $body$
--=--
SELECT (t).*, (f(x)).y, t.*::text FROM t
--=--
SET search_path TO "$user", public; SHOW ALL
--=--
SELECT 1;;;SELECT 2;
--=--

--=--
;
--=--
SELECT a<b,a>b,a<=b,a>=b,a<>b,a!=b,a=b
--=--
SELECT -1, +1, - 1, 1-1, 1 -1, 1- -1, a*-1, a/-1, 2^-1
--=--
SELECT tsv @@ to_tsquery('a & b'), point '(1,2)' <-> point '(3,4)', box '(1,1)' && box '(2,2)'
