// node: pg, knex, Sequelize and TypeORM: introspection and the ORMs' everyday statements.
const place = { host: '127.0.0.1', port: Number(process.env.PGPORT), user: process.env.PGUSER, password: process.env.PGPASSWORD, database: 'corpus' }
const { Client } = require('pg')

async function withPg () {
  const client = new Client({ ...place, application_name: 'reader prod node-postgres' })
  await client.connect()
  await client.query('SELECT $1::int + 1 AS n', [1])
  await client.query({ name: 'by-id', text: 'SELECT id, total FROM orders WHERE id = $1', values: [3] })
  await client.end()
}

async function withKnex () {
  const make = name => require('knex')({ client: 'pg', connection: { ...place, application_name: name }, pool: { min: 1, max: 1 } })
  let knex = make('reader prod knex: what is there')
  await knex.schema.hasTable('orders')
  await knex.schema.hasColumn('orders', 'total')
  await knex('orders').columnInfo()
  await knex('orders').select('id', 'total').where('total', '>', 10).orderBy('id').limit(3)
  await knex('orders').count('* as n').first()
  await knex.destroy()
  knex = make('writer prod knex: changes')
  await knex.transaction(async work => {
    await work('orders').insert({ customer_id: 1, total: 3 }).returning('id')
    await work('stock').insert({ product: 'thing 1', quantity: 2 }).onConflict('product').merge()
    await work.transaction(async inner => { await inner('orders').where({ id: 3 }).update({ status: 'knex' }) })
  })
  await knex('stock').where('product', 'thing 1').increment('quantity', 2)
  await knex('items').where({ order_id: 38 }).del()
  await knex.destroy()
}

async function withSequelize () {
  const { Sequelize, DataTypes } = require('sequelize')
  const make = name => new Sequelize('corpus', place.user, place.password, {
    host: place.host, port: place.port, dialect: 'postgres', logging: false, pool: { max: 1, min: 1 }, dialectOptions: { application_name: name }
  })
  let db = make('reader prod Sequelize: what is there')
  await db.authenticate()
  const look = db.getQueryInterface()
  await look.showAllTables()
  await look.describeTable('orders')
  await look.showIndex('orders')
  await look.getForeignKeyReferencesForTable('items')
  await db.close()
  db = make('writer prod Sequelize: the ORM')
  const Order = db.define('order', {
    id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true }, customer_id: DataTypes.INTEGER, total: DataTypes.DECIMAL, status: DataTypes.TEXT
  }, { tableName: 'orders', timestamps: false })
  const Stock = db.define('stock', { product: { type: DataTypes.TEXT, primaryKey: true }, quantity: DataTypes.INTEGER }, { tableName: 'stock', timestamps: false })
  await Order.findAll({ where: { total: { [require('sequelize').Op.gt]: 50 } }, order: ['id'], limit: 3 })
  await Order.findAndCountAll({ where: { status: 'new' }, limit: 2, order: ['id'] })
  await db.transaction(async transaction => {
    const order = await Order.create({ customer_id: 1, total: 2, status: 'new' }, { transaction })
    await order.update({ status: 'paid' }, { transaction })
    await Stock.upsert({ product: 'thing 2', quantity: 4 }, { transaction })
    await order.destroy({ transaction })
  })
  await Stock.findOrCreate({ where: { product: 'thing 2' }, defaults: { quantity: 1 } })
  await Stock.bulkCreate([{ product: 'n1', quantity: 1 }, { product: 'n2', quantity: 2 }], { updateOnDuplicate: ['quantity'] })
  await db.close()
}

async function withTypeOrm () {
  require('reflect-metadata')
  const { DataSource, EntitySchema } = require('typeorm')
  const Order = new EntitySchema({ name: 'Order', tableName: 'orders', synchronize: false, columns: {
    id: { type: Number, primary: true, generated: true }, customer_id: { type: Number, nullable: true }, total: { type: 'numeric' }, status: { type: String, default: 'new' }
  } })
  const make = name => new DataSource({ type: 'postgres', ...place, username: place.user, applicationName: name, entities: [Order], extra: { max: 1 }, installExtensions: false })
  let db = await make('reader prod TypeORM: compares the schema').initialize()
  await db.driver.createSchemaBuilder().log()
  await db.destroy()
  db = await make('writer prod TypeORM: the ORM').initialize()
  const orders = db.getRepository(Order)
  await orders.find({ where: { status: 'new' }, order: { id: 'ASC' }, take: 3 })
  const order = await orders.save({ customer_id: 1, total: 2 })
  order.status = 'paid'
  await orders.save(order)
  await orders.remove(order)
  await orders.createQueryBuilder('o').select('o.status').addSelect('count(*)', 'n').groupBy('o.status').orderBy('o.status').getRawMany()
  await db.destroy()
}

(async () => {
  for (const client of [withPg, withKnex, withSequelize, withTypeOrm]) {
    try { await client() } catch (error) { console.error(client.name, error); process.exitCode = 1 }
  }
})()
