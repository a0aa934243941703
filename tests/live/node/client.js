// The script of node's pg: prints what every statement gave, one JSON object a line. Connects by PGHOST, PGPORT, ….
const { Client } = require('pg');

async function main() {
  const client = new Client();
  const seen = [];
  client.on('notice', (notice) => seen.push({ notice: notice.message }));
  await client.connect();
  const run = async (text, values, options) => {
    try {
      const result = await client.query({ text, values, ...options });
      for (const one of Array.isArray(result) ? result : [result]) {
        seen.push({
          command: one.command,
          rowCount: one.rowCount,
          fields: one.fields.map((field) => [field.name, field.tableID, field.columnID, field.dataTypeID, field.format]),
          rows: one.rows,
        });
      }
    } catch (error) {
      seen.push({ code: error.code, message: error.message, detail: error.detail, position: error.position });
    }
  };
  await run('select id, name, email, birth_date, salary, city from customers order by id');
  await run('select $1::int + 1 as n, $2::text as t, $3::jsonb as j', [41, "it's", { a: [1, null] }]);
  await run('select id, name from customers where id = $1', [2], { name: 'by_id' });
  await run('select id, name from customers where id = $1', [3], { name: 'by_id' });
  await run('select id, city from customers order by id', undefined, { rowMode: 'array' });
  await run('select 1 as a; select 2 as b; select 1/0; select 3 as never');
  await run('begin');
  await run('create temp table t (k int primary key, v bytea)');
  await run('insert into t values ($1, $2), ($3, $4)', [1, Buffer.from([0, 255, 10]), 2, null]);
  await run('insert into t values (1, null)');
  await run('select 1');
  await run('rollback');
  await run("do $$ begin raise notice 'seen by node'; end $$");
  await run('select g, repeat(chr(97 + g % 26), 200) as w from generate_series(1, 2000) g');
  // queued without waiting: the answers must come back in order
  const many = [];
  for (let n = 0; n < 50; n += 1) many.push(client.query('select $1::int as n', [n]));
  seen.push({ many: (await Promise.all(many)).map((result) => result.rows[0].n) });
  await client.end();
  for (const line of seen) console.log(JSON.stringify(line));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
