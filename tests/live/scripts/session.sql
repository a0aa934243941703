-- What a person and a script do in psql: everything here prints the same, whoever stands between.
\set ON_ERROR_STOP 0
\pset null '<null>'
\encoding
show server_version_num;
show application_name;
select id, name, email, ssn, phone, birth_date, salary, city from customers order by id;
\d customers
\d+ contacts
\dt
\df lower
select 1 as one; select 2 as two \; select 3 as three;
select $1::int + $2::int as sum \bind 40 2 \g
select :'VERBOSITY' as verbosity;
begin;
create table scratch (k int primary key, v text, b bytea, j jsonb, a int[], t timestamptz);
insert into scratch values (1, 'it''s', '\x00ff', '{"a": [1, null]}', '{1,2,null}', '2026-05-06 07:08:09.123456+00');
insert into scratch values (2, E'tab\there', null, null, null, 'infinity') returning k, v, t;
savepoint s;
insert into scratch values (1, 'again', null, null, null, null);
select 'aborted';
rollback to s;
copy scratch (k, v) from stdin;
10	ten
11	eleven \\ back\nslash
12	\N
\.
copy scratch (k, v) from stdin with (format csv, header);
k,v
20,"twenty, and ""more"""
21,
\.
copy scratch to stdout;
copy (select k, v from scratch order by k) to stdout with (format csv, force_quote *);
update scratch set v = upper(v) where k >= 10;
table scratch;
rollback;
select 1/0;
select from_nowhere();
\set VERBOSITY verbose
select * from not_a_table;
do $$ begin raise notice 'a notice % with detail', 7 using detail = 'the detail', hint = 'the hint'; end $$;
do $$ begin raise exception 'mine' using errcode = 'P0042', detail = 'why'; end $$;
prepare p (int) as select name from customers where id = $1;
execute p (2);
deallocate p;
execute p (2);
begin;
declare c scroll cursor for select id, total from orders order by id;
fetch 3 from c;
move 10 in c;
fetch backward 2 from c;
close c;
commit;
set datestyle = 'German, DMY';
select date '2026-02-03';
reset datestyle;
set search_path = pg_catalog;
select count(*) > 0 from pg_class;
reset search_path;
\set FETCH_COUNT 7
select id, repeat('x', id) from orders order by id;
\unset FETCH_COUNT
select g, md5(g::text) from generate_series(1, 3000) g \g (format=unaligned)
listen channel_a;
select pg_notify('channel_b', 'nobody listens');
explain (costs off) select * from orders where id = 1;
create temp table mine as select 1 as x;
select * from mine;
drop table mine;
select repeat('wide ', 20000);
select 'last';
