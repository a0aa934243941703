"""SQLAlchemy and Alembic over psycopg and psycopg2: reflection, the inspector, the ORM, migrations' look at the schema."""

import os
from urllib.parse import quote

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    ForeignKey,
    MetaData,
    Numeric,
    String,
    create_engine,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)

WHERE = f"{os.environ['PGUSER']}:{quote(os.environ['PGPASSWORD'])}@127.0.0.1:{os.environ['PGPORT']}/corpus"


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product: Mapped[str] = mapped_column(String, primary_key=True)
    quantity: Mapped[int]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None]
    total: Mapped[float] = mapped_column(Numeric(10, 2))
    status: Mapped[str] = mapped_column(server_default="new")
    items: Mapped[list[Item]] = relationship()


class Stock(Base):
    __tablename__ = "stock"
    product: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[int]


def engine(driver: str, name: str):
    return create_engine(f"postgresql+{driver}://{WHERE}", connect_args={"application_name": name[:63]})


for driver in ("psycopg", "psycopg2"):
    with engine(
        driver, f"reader prod SQLAlchemy, {driver}: reflection of everything"
    ).connect() as connection:
        MetaData().reflect(connection, views=True)
    with engine(driver, f"reader prod SQLAlchemy, {driver}: the inspector").connect() as connection:
        look = inspect(connection)
        look.get_schema_names()
        for name in (*look.get_table_names(), *look.get_view_names()):
            (
                look.get_columns(name),
                look.get_pk_constraint(name),
                look.get_foreign_keys(name),
                look.get_indexes(name),
            )
            look.get_unique_constraints(name), look.get_check_constraints(name), look.get_table_comment(name)
        (
            look.get_view_definition("contacts"),
            look.get_sequence_names(),
            look.get_enums(),
            look.has_table("orders"),
        )
        look.get_materialized_view_names(), look.get_domains()
    with Session(engine(driver, f"reader prod SQLAlchemy ORM, {driver}: queries")) as session:
        session.scalars(select(Order).where(Order.total > 20).order_by(Order.id).limit(5)).all()
        session.scalars(
            select(Order).options(joinedload(Order.items)).where(Order.id < 4).order_by(Order.id)
        ).unique().all()
        session.scalars(
            select(Order).options(selectinload(Order.items)).where(Order.id < 4).order_by(Order.id)
        ).all()
        session.execute(
            select(Order.status, func.count(), func.sum(Order.total)).group_by(Order.status)
        ).all()
        session.get(Order, 5)
        session.scalar(
            select(func.count()).select_from(select(Order).where(Order.status == "new").subquery())
        )
        big = select(Order.id).where(Order.total > 50).cte("big")
        session.execute(select(big).order_by(big.c.id)).all()
    with Session(engine(driver, f"writer prod SQLAlchemy ORM, {driver}: unit of work")) as session:
        order = Order(
            customer_id=1, total=5, items=[Item(product="a", quantity=1), Item(product="b", quantity=2)]
        )
        session.add(order)
        session.flush()
        with session.begin_nested():
            order.status = "paid"
        try:
            with session.begin_nested():
                session.add(Stock(product="thing 1", quantity=1))
        except Exception:
            session.rollback()
        stock = session.get(Stock, "thing 2")
        stock.quantity += 1
        session.commit()
    with engine(driver, f"writer prod SQLAlchemy core, {driver}: executemany, upsert").begin() as connection:
        connection.execute(
            insert(Item), [{"order_id": 3, "product": f"p{n}", "quantity": n} for n in range(3)]
        )
        statement = upsert(Stock).values(product="thing 1", quantity=3)
        connection.execute(statement.on_conflict_do_update(index_elements=["product"], set_={"quantity": 3}))
        connection.execute(update(Order).where(Order.id == 4).values(status="sent"))
        connection.execute(text("SELECT :a + 1"), {"a": 1})
with engine("psycopg", "reader prod Alembic: autogenerate looks at the schema").connect() as connection:
    compare_metadata(MigrationContext.configure(connection), Base.metadata)
