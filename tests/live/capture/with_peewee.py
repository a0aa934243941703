"""peewee: introspection (pwiz) and the ORM."""

from peewee import AutoField, DecimalField, IntegerField, Model, PostgresqlDatabase, TextField, fn
from playhouse.reflection import Introspector


def database(name: str) -> PostgresqlDatabase:
    return PostgresqlDatabase("corpus", application_name=name[:63])


Introspector.from_database(database("reader prod peewee: introspection")).introspect()
shop = database("writer prod peewee: the ORM")


class Order(Model):
    id = AutoField()
    customer_id = IntegerField(null=True)
    total = DecimalField(max_digits=10, decimal_places=2)
    status = TextField(default="new")

    class Meta:
        database, table_name = shop, "orders"


with shop.atomic():
    order = Order.create(customer_id=1, total=2)
    with shop.atomic():
        Order.update(status="paid").where(Order.id == order.id).execute()
list(Order.select(Order.status, fn.COUNT(Order.id)).group_by(Order.status).order_by(Order.status).tuples())
list(Order.select().where(Order.total.between(3, 10)).order_by(Order.id).paginate(1, 5))
Order.delete_by_id(order.id)
shop.get_tables(), shop.get_columns("orders"), shop.get_indexes("orders"), shop.get_foreign_keys("items")
shop.close()
