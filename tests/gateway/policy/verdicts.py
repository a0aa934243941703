"""Verdicts over real statements, read by the parser, against a small catalogue of functions."""

from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.decide import decide
from gateway.policy.decision import Decision
from gateway.policy.rights import Rights
from gateway.policy.rules import load
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from parser.statements import read

FUNCTIONS = [
    *((name, "pg_catalog", "i", "internal", False) for name in [
        "lower", "upper", "int8", "count", "sum", "length", "name", "text"
    ]),
    *((name, "pg_catalog", "s", "internal", False) for name in ["now", "current_setting", "to_char"]),
    *(
        (name, "pg_catalog", "v", "internal", False)
        for name in [
            "nextval", "setval", "currval", "pg_sleep", "random", "pg_read_file", "pg_ls_dir", "lo_import",
            "set_config", "pg_notify", "pg_terminate_backend", "query_to_xml", "ts_stat", "pg_advisory_lock",
            "pg_stat_reset", "pg_promote", "brand_new_volatile", "pg_export_snapshot"
        ]
    ),
    ("total", "public", "s", "sql", False),
    ("bump", "public", "v", "plpgsql", False),
    ("owned", "public", "v", "plpgsql", True),
    ("python", "public", "v", "plpython3u", False),
    ("native", "public", "v", "c", False),
    ("dblink", "public", "v", "c", False),
    ("uuid_generate_v4", "public", "v", "c", False),
    ("lower", "evil", "v", "plpgsql", False),
]
CATALOG = Catalog(1, {}, {}, {})
for _name, _schema, _volatility, _language, _definer in FUNCTIONS:
    _one = CatalogFunction(_schema, _name, _volatility, _language, _definer, _schema == "pg_catalog")
    CATALOG.functions[_name] = (*CATALOG.functions.get(_name, ()), _one)
CATALOG.functions["lower"] = CATALOG.functions["lower"][:1]


def rights(allow: str, rails: str = "", environment: str = "dev", role: str = "") -> Rights:
    words = ", ".join(f'"{word}"' for word in allow.split())
    text = f'[[grant]]\nname = "g"\nallow = [{words}]\nrole = "{role}"\ngranted_by = "lead"\nreason = "T-1"\n{rails}'
    table = PolicyTable(compile([load(text, "p")], Settings()))
    return table.rights(Principal("alice", "i", (), (), 9e9, "t"), "shop", environment, 0.0, 1)


def verdict(
    sql: str,
    given_rights: Rights,
    estimated_rows: int | None = None,
    own: frozenset[str] = frozenset(),
    catalog: Catalog = CATALOG,
) -> Decision:
    (facts,) = read(sql.encode())
    return decide(facts, given_rights, catalog, estimated_rows, own)


def passes(sql: str, allow: str, **more: str) -> bool:
    return verdict(sql, rights(allow, **more)).verdict == "allow"
