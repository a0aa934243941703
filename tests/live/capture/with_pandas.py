"""pandas over SQLAlchemy: tables read, a table written."""

import os
from urllib.parse import quote

import pandas
from sqlalchemy import create_engine

WHERE = f"{os.environ['PGUSER']}:{quote(os.environ['PGPASSWORD'])}@127.0.0.1:{os.environ['PGPORT']}/corpus"


def engine(name: str):
    return create_engine(f"postgresql+psycopg2://{WHERE}", connect_args={"application_name": name[:63]})


with engine("reader prod pandas: a table, a query").connect() as connection:
    pandas.read_sql_table("orders", connection)
    pandas.read_sql_query("SELECT status, sum(total) FROM orders GROUP BY status", connection)
with engine("writer prod pandas: rows appended").begin() as connection:
    pandas.DataFrame({"order_id": [6, 7], "product": ["p", "q"], "quantity": [1, 2]}).to_sql(
        "items", connection, if_exists="append", index=False, method="multi"
    )
