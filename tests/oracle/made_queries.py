"""Made statements over tests/corpus/lineage/schema.sql: a seeded generator of queries and changes for the lineage oracle.

It knows the schema and keeps track of what each level of a query can see, so that nearly all that it makes is valid SQL;
what the analyser refuses does not count. Kinds of columns: "i" numbers, "t" text, "o" all other types (never computed with).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

Columns = list[tuple[str, str]]  # name as written, kind

TABLES: dict[str, Columns] = {
    "customers": [
        ("id", "i"), ("name", "t"), ("email", "t"), ("ssn", "t"), ("city", "t"), ("home", "o"), ("tags", "o"), ("doc", "o"),
        ("born", "o"), ("score", "i"),
    ],
    "orders": [
        ("id", "i"), ("customer_id", "i"), ("total", "i"), ("placed_at", "o"), ("note", "t"), ("status", "o"),
    ],
    "order_lines": [
        ("order_id", "i"), ("line_no", "i"), ("sku", "t"), ("quantity", "i"), ("price", "i"), ("amount", "i"),
    ],
    "payments": [("id", "i"), ("order_id", "i"), ("card", "t"), ("amount", "i"), ("paid_at", "o")],
    "payments_low": [("id", "i"), ("order_id", "i"), ("card", "t"), ("amount", "i"), ("paid_at", "o")],
    "crm.staff": [
        ("id", "i"), ("name", "t"), ("salary", "i"), ("manager_id", "i"), ("reach", "o"), ("orders", "i"),
    ],
    "crm.orders": [("id", "i"), ("agent_id", "i"), ("secret", "t")],
    "parties": [("id", "i"), ("name", "t"), ("kind", "t")],
    "people": [("id", "i"), ("name", "t"), ("kind", "t"), ("ssn", "t"), ("born", "o")],
    '"Odd Place"."Mixed Case"': [
        ('"Id"', "i"), ('"Full Name"', "t"), ('"select"', "t"), ('"from"', "i"), ('"Mixed Case"', "t"),
    ],
    "keywords": [
        ('"user"', "t"), ('"end"', "t"), ('"table"', "t"), ("value", "t"), ("name", "t"), ('"order"', "i"), ("row", "t"),
        ("date", "o"),
    ],
    "name": [("name", "t"), ("value", "i"), ("customers", "t")],
    "wide": [
        ("a", "i"), ("b", "i"), ("c", "t"), ("d", "t"), ("e", "o"), ("f", "o"), ("customers", "t"), ("wide", "t"),
    ],
    "gone": [("kept", "t"), ("late", "i")],
    "contacts": [("id", "i"), ("who", "t"), ("mail", "t"), ("ssn", "t")],
    "crm.rich": [("id", "i"), ("name", "t"), ("salary", "i"), ("who", "t")],
    "totals": [("customer_id", "i"), ("total", "i")],
}  # fmt: skip
ADDRESS: Columns = [("street", "t"), ("city", "t"), ("zip", "t")]
CHANGED = ["customers", "orders", "payments", "crm.staff", "parties", "wide", "gone"]
# Names that mean something else too: tables, columns, keywords.
ALIASES = [
    "c", "o", "p", "x", "y", "z", "s", "t1", "customers", "orders", "name", "id", "ssn", '"Select"', '"user"', "value",
    "total", "note", "wide", "old_one", "excluded",
]  # fmt: skip
LABELS = ["id", "name", "ssn", "k", "v", '"K"', "total", "note", "a", "b", '"order"', "amount", "city", "rest"]
JOINS = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT OUTER JOIN", "INNER JOIN"]


@dataclass(slots=True)
class Seen:
    """A source of one level: its qualifier ("" where it has none of its own) and its columns."""

    alias: str
    columns: Columns


@dataclass(slots=True)
class Level:
    """What expressions of one query may name. `merged`: columns of USING joins, to be named without a qualifier."""

    sources: list[Seen] = field(default_factory=list)
    merged: Columns = field(default_factory=list)
    outer: "Level | None" = None

    def bare(self) -> Columns:
        """Columns whose name is theirs alone."""
        names = {name for name, _ in self.merged}
        every = [column for source in self.sources for column in source.columns if column[0] not in names]
        counts = Counter(name for name, _ in every)
        return [*self.merged, *(column for column in every if counts[column[0]] == 1)]

    def star(self) -> Columns:
        names = {name for name, _ in self.merged}
        every = [column for source in self.sources for column in source.columns if column[0] not in names]
        return [*self.merged, *every]

    def held(self, name: str) -> bool:
        return any(name == column for source in self.sources for column, _ in source.columns)


def last_name(table: str) -> str:
    return table.split(".")[-1] if '"' not in table else '"Mixed Case"'


class Maker:
    """`statement()` makes one after the other, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.ctes: dict[str, Columns] = {}

    def statement(self) -> str:
        self.ctes = {}
        kind = self.random.random()
        if kind < 0.72:
            return self.query(3, None)[0]
        return self.change()

    # --- queries ---

    def query(self, depth: int, outer: Level | None, wanted: list[str] | None = None) -> tuple[str, Columns]:
        """A query and the columns it returns. `wanted`: the kinds they must have."""
        kept = dict(self.ctes)
        heads = ""
        if depth > 0 and self.chance(0.2):
            heads = self.with_queries(depth - 1, outer)
        if depth > 0 and self.chance(0.15):
            text, columns = self.set_operation(depth, outer, wanted)
        elif self.chance(0.05):
            text, columns = self.values(depth, outer, wanted)
        elif wanted is None and not heads and self.chance(0.03):
            table = self.table()
            text, columns = f"TABLE {table}", TABLES[table]
        else:
            text, columns = self.select(depth, outer, wanted)
        self.ctes = kept
        return heads + text, columns

    def select(self, depth: int, outer: Level | None, wanted: list[str] | None) -> tuple[str, Columns]:
        level = Level(outer=outer)
        from_list = self.from_list(depth, level)
        where = f" WHERE {self.condition(level, depth - 1)}" if self.chance(0.3) else ""
        grouped = wanted is None and self.chance(0.15)
        if grouped:
            return self.grouped(level, from_list + where, depth)
        items: list[str] = []
        columns: Columns = []
        if wanted is None:
            for _ in range(self.random.choice((1, 1, 2, 2, 3))):
                self.item(level, depth, items, columns)
        else:
            for kind in wanted:
                items.append(self.labelled(self.expression(kind, level, depth), kind, columns))
        distinct = ""
        if self.chance(0.1):
            distinct = "DISTINCT " if all(kind != "o" for _, kind in columns) and self.chance(0.5) else "ALL "
        elif self.chance(0.08) and level.bare():
            distinct = f"DISTINCT ON ({self.random.choice(level.bare())[0]}) " if self.plain(level) else ""
        tail = where
        if "w1" in " ".join(items):
            tail += f" WINDOW w1 AS ({self.window(level)})"
        if self.chance(0.2) and not distinct:
            tail += f" ORDER BY {self.random.choice(['1', self.expression('t', level, 0, calls=False)])}"
        if self.chance(0.1):
            tail += f" LIMIT {self.random.randint(1, 9)}"
        return f"SELECT {distinct}{', '.join(items)}{from_list}{tail}", columns

    def plain(self, level: Level) -> bool:
        """Whether every column that a bare name may mean can be compared."""
        return all(kind != "o" for _, kind in level.bare())

    def item(self, level: Level, depth: int, items: list[str], columns: Columns) -> None:
        chance = self.random.random()
        starred = [source for source in level.sources if source.alias]
        if chance < 0.12 and level.sources:
            items.append("*")
            columns += level.star()
        elif chance < 0.24 and starred:
            source = self.random.choice(starred)
            items.append(self.random.choice([f"{source.alias}.*", f"{source.alias}.*", f"({source.alias}.*)"]))
            columns += source.columns
        elif chance < 0.3 and starred:
            source = self.random.choice(starred)
            name = source.alias
            forms = [f"row_to_json({name}.*)", f"({name}.*)::text", f"ROW({name}.*)::text"]
            if not level.held(name):
                forms += [name, f"to_jsonb({name})", f"{name}::text", f"({name} IS NULL)"]
            items.append(self.labelled(self.random.choice(forms), "o", columns))
        elif chance < 0.34 and (home := self.composite(level)):
            items.append(f"({home}).*")
            columns += ADDRESS
        else:
            kind = self.random.choice("iitt")
            items.append(self.labelled(self.expression(kind, level, depth), kind, columns))

    def composite(self, level: Level) -> str | None:
        """A column of type crm.address."""
        fitting = [text for text, _ in self.references(level) if text.split(".")[-1] == "home"]
        return self.random.choice(fitting) if fitting else None

    def labelled(self, text: str, kind: str, columns: Columns) -> str:
        """The expression with a label that makes a name for it sure; a column may keep its own."""
        if self.chance(0.3) and all(part.isidentifier() for part in text.split(".")):
            columns.append((text.split(".")[-1], kind))
            return text
        label = self.random.choice(LABELS)
        columns.append((label, kind))
        return f"{text} {self.random.choice(['AS ', 'AS ', ''])}{label}"

    def grouped(self, level: Level, middle: str, depth: int) -> tuple[str, Columns]:
        """GROUP BY over one or two columns, with aggregates beside them."""
        keys = [column for column in self.references(level) if column[1] != "o"]
        self.random.shuffle(keys)
        keys = keys[: self.random.randint(1, 2)]
        if not keys:
            return f"SELECT count(*) AS k{middle}", [("k", "i")]
        columns: Columns = []
        items = [self.labelled(text, kind, columns) for text, kind in keys]
        for _ in range(self.random.randint(1, 2)):
            kind = self.random.choice("it")
            items.append(self.labelled(self.aggregate(kind, level, depth), kind, columns))
        texts = [text for text, _ in keys]
        by = self.random.choice(
            [", ".join(texts), ", ".join(texts), f"ROLLUP ({', '.join(texts)})", f"CUBE ({', '.join(texts)})",
             f"GROUPING SETS (({', '.join(texts)}), ({texts[0]}), ())"]
        )  # fmt: skip
        if "(" in by and self.chance(0.5):
            items.append(self.labelled(f"GROUPING({texts[0]})", "i", columns))
        having = f" HAVING count(*) > {self.random.randint(0, 3)}" if self.chance(0.2) else ""
        return f"SELECT {', '.join(items)}{middle} GROUP BY {by}{having}", columns

    def set_operation(self, depth: int, outer: Level | None, wanted: list[str] | None) -> tuple[str, Columns]:
        kinds = wanted or [self.random.choice("it") for _ in range(self.random.randint(1, 3))]
        arms = []
        columns: Columns = []
        for _ in range(self.random.choice((2, 2, 3))):
            text, found = self.query(depth - 1, outer, kinds)
            columns = columns or found
            nested = text.startswith("WITH") or self.chance(0.3) or " LIMIT " in text or " ORDER BY " in text
            arms.append(f"({text})" if nested else text)
        text = arms[0]
        for arm in arms[1:]:
            operation = self.random.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT", "INTERSECT ALL"])
            text += f" {operation} {arm}"
        if self.chance(0.2):
            text += " ORDER BY 1"
        return text, columns

    def values(self, depth: int, outer: Level | None, wanted: list[str] | None) -> tuple[str, Columns]:
        kinds = wanted or [self.random.choice("it") for _ in range(self.random.randint(1, 3))]
        level = Level(outer=outer)
        rows = [
            "(" + ", ".join(self.expression(kind, level, depth - 1, calls=False) for kind in kinds) + ")"
            for _ in range(self.random.randint(1, 3))
        ]
        return f"VALUES {', '.join(rows)}", [(f"column{at + 1}", kind) for at, kind in enumerate(kinds)]

    def with_queries(self, depth: int, outer: Level | None) -> str:
        recursive = self.chance(0.35)
        made = []
        for name in self.random.sample(["orders", "customers", "r", "q", "w", '"Q"', "name"], self.random.randint(1, 2)):
            if recursive and self.chance(0.7):
                made.append(self.recursive(name, depth, outer))
                continue
            changed = outer is None and depth == 2 and self.chance(0.2)
            kept = self.ctes
            if recursive:  # the name is its own already: what it would mean is another statement's matter
                self.ctes = {known: columns for known, columns in kept.items() if known != name}
            text, columns = self.returning(depth) if changed else self.query(depth, outer)
            self.ctes = kept
            if not columns or (recursive and f" {name}" in text):
                text, columns = "SELECT 1 AS one", [("one", "i")]
            head = name
            if self.chance(0.4):
                names = [f"c{at}" for at in range(self.random.randint(1, len(columns)))]
                head += f" ({', '.join(names)})"
                columns = [*((new, kind) for new, (_, kind) in zip(names, columns, strict=False)), *columns[len(names) :]]
            how = self.random.choice(["", "", " MATERIALIZED", " NOT MATERIALIZED"])
            self.ctes = {**self.ctes, name: columns}
            made.append(f"{head} AS{how} ({text})")
        return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(made)} "

    def recursive(self, name: str, depth: int, outer: Level | None) -> str:
        """A query that feeds itself, its columns wandering. All are cast: the arms must agree exactly."""
        kinds = [self.random.choice("it") for _ in range(self.random.randint(2, 3))]
        names = [f"k{at}" for at in range(len(kinds))]
        start = Level(outer=outer)
        first = self.from_list(0, start)
        seed = ", ".join(cast(self.expression(kind, start, 0), kind) for kind in kinds)
        again = Level([Seen("me", list(zip(names, kinds, strict=True)))], outer=outer)
        also = ""
        if self.chance(0.4):
            table = self.table()
            again.sources.append(Seen("also", TABLES[table]))
            also = f", {table} AS also"
        step = ", ".join(cast(self.expression(kind, again, 0, calls=False), kind) for kind in kinds)
        self.ctes = {**self.ctes, name: list(zip(names, kinds, strict=True))}
        marks = ""
        if self.chance(0.25):
            marks = f" SEARCH {self.random.choice(['DEPTH', 'BREADTH'])} FIRST BY k0 SET sought"
            self.ctes[name] = [*self.ctes[name], ("sought", "o")]
        if self.chance(0.25):
            marks += " CYCLE k1 SET seen USING path"
            self.ctes[name] = [*self.ctes[name], ("seen", "o"), ("path", "o")]
        union = "UNION ALL" if marks else self.random.choice(["UNION", "UNION ALL"])
        return f"{name} ({', '.join(names)}) AS (SELECT {seed}{first} {union} SELECT {step} FROM {name} AS me{also}){marks}"

    # --- FROM ---

    def table(self) -> str:
        free = [table for table in TABLES if table not in self.ctes]
        return self.random.choice(free)

    def from_list(self, depth: int, level: Level) -> str:
        if self.chance(0.04):
            return ""
        parts = [self.joined(depth, level) for _ in range(self.random.choice((1, 1, 1, 2)))]
        return f" FROM {', '.join(parts)}"

    def joined(self, depth: int, level: Level) -> str:
        """One entry of FROM; may be a tree of joins, in brackets, with an alias of its own."""
        if depth <= 0 or self.chance(0.5):
            return self.source(depth, level)
        tree = Level(outer=level.outer)
        names = {source.alias for source in level.sources}
        left = self.source(depth - 1, tree, names)
        right_level = Level(outer=level.outer)
        right = self.source(depth - 1, right_level, names | {one.alias for one in tree.sources})
        join = self.random.choice(JOINS)
        common = shared(tree, right_level)
        kind = self.random.random()
        if kind < 0.4 and common and not tree.merged and not right_level.merged:
            used = self.random.sample(common, self.random.randint(1, min(2, len(common))))
            text = f"{left} {join} {right} USING ({', '.join(name for name, _ in used)})"
            tree.merged += used
        elif kind < 0.5 and all(shared_kind != "o" for _, shared_kind in common) and common_safe(tree, right_level):
            text = f"{left} NATURAL {join} {right}"
            tree.merged += common
        elif kind < 0.6:
            text = f"{left} CROSS JOIN {right}"
        else:
            tree.sources += right_level.sources
            text = f"{left} {join} {right} ON {self.condition(tree, 0)}"
            right_level.sources = []
        tree.sources += right_level.sources
        if self.chance(0.35):
            columns = tree.star()
            if len({name for name, _ in columns}) == len(columns) and self.chance(0.7):
                alias = self.alias(names)
                level.sources.append(Seen(alias, columns))
                return f"({text}) AS {alias}"
            text = f"({text})"
        level.sources += tree.sources
        level.merged += tree.merged
        return text

    def source(self, depth: int, level: Level, taken: set[str] | None = None) -> str:
        """A table, a WITH query, a subquery, VALUES or a function, under an alias."""
        taken = (taken or set()) | {source.alias for source in level.sources}
        chance = self.random.random()
        if self.ctes and chance < 0.35:
            name = self.random.choice(list(self.ctes))
            return self.named(name, name, self.ctes[name], level, taken)
        if depth > 0 and chance < 0.55:
            alias = self.alias(taken)
            lateral = level.sources and self.chance(0.4)
            around = Level(level.sources, level.merged, level.outer) if lateral else level.outer
            text, columns = self.query(depth - 1, around)
            head = f"{'LATERAL ' if lateral else ''}({text}) AS {alias}"
            if len(once(columns)) == len(columns) and self.chance(0.6):
                level.sources.append(Seen(alias, columns))
                return head
            columns = self.apart(columns)
            level.sources.append(Seen(alias, columns))
            return f"{head} ({', '.join(name for name, _ in columns)})"
        if chance < 0.57 and (before := [one for one in level.sources if one.alias]):
            row = self.random.choice(before)
            alias = self.alias(taken)
            columns = [(f"r{at}", kind) for at, (_, kind) in enumerate([*row.columns, ("", "i")])]
            level.sources.append(Seen(alias, columns))
            return f"LATERAL (VALUES ({row.alias}.*, 1)) AS {alias} ({', '.join(name for name, _ in columns)})"
        if chance < 0.64:
            return self.function(level, taken)
        table = self.table()
        return self.named(table, last_name(table), TABLES[table], level, taken)

    def named(self, written: str, own: str, columns: Columns, level: Level, taken: set[str]) -> str:
        """A relation, mostly under an alias, now and then with new names for its first columns."""
        if own not in taken and self.chance(0.35):
            level.sources.append(Seen(own, columns))
            return f"{'ONLY ' if '.' not in written and written in TABLES and self.chance(0.1) else ''}{written}"
        alias = self.alias(taken)
        if self.chance(0.2):
            new = self.apart([(self.random.choice(LABELS), kind) for _, kind in columns[: self.random.randint(1, 3)]])
            rest = columns[len(new) :]
            if not {name for name, _ in new} & {name for name, _ in rest}:
                level.sources.append(Seen(alias, [*new, *rest]))
                return f"{written} AS {alias} ({', '.join(name for name, _ in new)})"
        level.sources.append(Seen(alias, columns))
        return f"{written} {self.random.choice(['AS ', ''])}{alias}"

    def function(self, level: Level, taken: set[str]) -> str:
        alias = self.alias(taken)
        inner = Level(level.sources, level.merged, level.outer)
        number, text = (self.expression(kind, inner, 0, calls=False) for kind in "it")
        made: list[tuple[str, Columns]] = [
            (f"generate_series(1, ({number})::integer) AS {alias} (g)", [("g", "i")]),
            (f"unnest(ARRAY[{text}, 'x']) WITH ORDINALITY AS {alias} (u, n)", [("u", "t"), ("n", "i")]),
            (f"string_to_table({text}, ',') AS {alias} (part)", [("part", "t")]),
            (f"ROWS FROM (generate_series(1, 3), unnest(ARRAY[{text}])) AS {alias} (g, u)", [("g", "i"), ("u", "t")]),
            (f"jsonb_to_record(jsonb_build_object('a', {text})) AS {alias} (a text, b integer)", [("a", "t"), ("b", "i")]),
            (f"(VALUES ({number}, {text}), (1, 'x')) AS {alias} (v1, v2)", [("v1", "i"), ("v2", "t")]),
            (f"customers_in({text}) AS {alias}", TABLES["customers"]),
            (f"pairs(({number})::integer) AS {alias} (k, v)", [("k", "i"), ("v", "t")]),
            (f"generate_series(1, 3) AS {alias}", [(alias, "i")]),
            (f"customers_in({text}) WITH ORDINALITY AS {alias}", [*TABLES["customers"], ("ordinality", "i")]),
            (f"pairs(1) AS {alias}", [("k", "i"), ("v", "t")]),
            (f"jsonb_each_text(jsonb_build_object('a', {text})) AS {alias}", [("key", "t"), ("value", "t")]),
            (f"unnest(ARRAY[{number}], ARRAY[{text}]) AS {alias} (one, two)", [("one", "i"), ("two", "t")]),
        ]
        at = self.random.randrange(len(made))
        if at == 5 and inner.sources:
            made[at] = ("LATERAL " + made[at][0], made[at][1])
        level.sources.append(Seen(alias, made[at][1]))
        return made[at][0]

    def alias(self, taken: set[str]) -> str:
        return self.random.choice([alias for alias in ALIASES if alias not in taken])

    def apart(self, columns: Columns) -> Columns:
        """The columns under names that differ."""
        found: Columns = []
        for at, (name, kind) in enumerate(columns):
            taken = {known for known, _ in found}
            found.append((name if name not in taken and name[0] != '"' else f"n{at}", kind))
        return found

    # --- expressions ---

    def references(self, level: Level) -> Columns:
        """Columns of this level as they may be written."""
        found = list(level.bare())
        found += [(f"{s.alias}.{name}", kind) for s in level.sources if s.alias for name, kind in once(s.columns)]
        return found

    def column(self, kind: str, level: Level) -> str | None:
        """A column of a kind: mostly of this level, now and then of one around it."""
        around, hidden = level, set[str]()
        if level.outer is not None and self.chance(0.25):
            hidden = {s.alias for s in level.sources} | {name for s in level.sources for name, _ in s.columns}
            around = level.outer
        fitting = [text for text, own in self.references(around) if own == kind and text.split(".")[0] not in hidden]
        return self.random.choice(fitting) if fitting else None

    def expression(self, kind: str, level: Level, depth: int, *, calls: bool = True) -> str:
        """A value of kind "i" or "t"; columns of kind "o" come in through their text."""
        chance = self.random.random()
        if kind == "t" and chance < 0.08 and (odd := self.column("o", level)):
            last = odd.split(".")[-1]
            special = {"tags": f"{odd}[1]", "doc": f"({odd} ->> 'x')", "home": f"({odd}).zip"}
            return special.get(last, f"({odd})::text")
        if chance < 0.55 and (column := self.column(kind, level)):
            return column
        if chance < 0.63 or depth < 0:
            return str(self.random.randint(0, 99)) if kind == "i" else f"'{self.random.choice(['x', 'ssn', 'a.b'])}'::text"
        if depth > 0 and chance < 0.73:
            text, _ = self.select(0, level, [kind]) if self.chance(0.6) else self.query(depth - 1, level, [kind])
            return f"({text})"
        if calls and chance < 0.79:
            return self.windowed(kind, level)
        return self.computed(kind, level, depth - 1, calls)

    def computed(self, kind: str, level: Level, depth: int, calls: bool) -> str:
        one, two = (self.expression(kind, level, depth, calls=calls) for _ in range(2))
        other = self.expression("t" if kind == "i" else "i", level, depth, calls=calls)
        test = self.condition(level, depth, calls=calls)
        if kind == "i":
            forms = [
                f"({one} + {two})", f"-({one})", f"length({other})", f"CASE WHEN {test} THEN {one} ELSE {two} END",
                f"coalesce({one}, {two})", f"({one})::integer", f"CAST({one} AS numeric)", f"greatest({one}, 1)",
                f"abs({one})", f"twice(({one})::integer)", f"(ROW({one}, {other})).f1", f"(ARRAY[{one}, {two}])[1]",
                f"CASE {other} WHEN 'x' THEN {one} END",
            ]  # fmt: skip
        else:
            forms = [
                f"({one} || {two})", f"upper({one})", f"substring({one} FROM 1 FOR 3)", f"nullif({one}, {two})",
                f"CASE WHEN {test} THEN {one} ELSE {two} END", f"concat({one}, {other})", f"({one})::varchar(9)",
                f"coalesce({one}, {two}, 'x')", f"trim(BOTH {two} FROM {one})", f"({one} COLLATE \"C\")",
                f"overlay({one} PLACING {two} FROM 1)", f"(ROW({one}, {other})).f1", f"({other})::text", f"left({one}, 2)",
                f"({one} <~> {two})", f"ssn_of(({other})::integer)", f"pg_typeof({one})::text", f"format('%s', {one})",
            ]  # fmt: skip
        return self.random.choice(forms)

    def windowed(self, kind: str, level: Level) -> str:
        argument = self.expression(kind, level, 0, calls=False)
        over = self.random.choice(["w1", f"({self.window(level)})", f"({self.window(level)})", "()"])
        test = self.condition(level, 0, calls=False)
        if kind == "i":
            call = self.random.choice(
                ["count(*)", "row_number()", "rank()", f"sum({argument})", f"lag({argument})", f"count({argument})",
                 f"first_value({argument})", "dense_rank()", f"max({argument}) FILTER (WHERE {test})"]
            )  # fmt: skip
        else:
            call = self.random.choice(
                [f"lag({argument})", f"max({argument})", f"last_value({argument})", f"nth_value({argument}, 2)"]
            )
        return f"{call} OVER {over}"

    def window(self, level: Level) -> str:
        parts = []
        if self.chance(0.5):
            parts.append(f"PARTITION BY {self.expression('t', level, 0, calls=False)}")
        if self.chance(0.6):
            parts.append(f"ORDER BY {self.expression('i', level, 0, calls=False)}")
            if self.chance(0.2):
                parts.append("ROWS BETWEEN 1 PRECEDING AND CURRENT ROW")
        return " ".join(parts)

    def aggregate(self, kind: str, level: Level, depth: int) -> str:
        number, text = (self.expression(one, level, 0, calls=False) for one in "it")
        if kind == "i":
            call = self.random.choice(
                ["count(*)", f"count({text})", f"sum({number})", f"max({number})", f"count(DISTINCT {text})",
                 f"avg({number})"]
            )  # fmt: skip
        else:
            call = self.random.choice(
                [f"max({text})", f"string_agg({text}, ',' ORDER BY {number})", f"min({text})", f"array_agg({text})::text",
                 f"jsonb_agg({number})::text", f"gather({text})", f"string_agg(DISTINCT {text}, ',')"]
            )  # fmt: skip
        if self.chance(0.15):
            call = f"{call} FILTER (WHERE {self.condition(level, 0, calls=False)})" if "::" not in call else call
        return call

    def condition(self, level: Level, depth: int, *, calls: bool = True) -> str:
        number, text = (self.expression(kind, level, min(depth, 0), calls=False) for kind in "it")
        forms = [f"{number} > 5", f"{text} LIKE 'a%'", f"{text} IS NOT NULL", f"{number} BETWEEN 1 AND 9", "true"]
        if calls and depth > 0:
            inner, _ = self.select(0, level, ["i"])
            forms += [f"EXISTS ({inner})", f"{number} IN ({inner})", f"{number} = ANY ({inner})"]
        return self.random.choice(forms)

    # --- changes ---

    def change(self) -> str:
        heads = self.with_queries(1, None) if self.chance(0.2) else ""
        return heads + self.returning(2)[0]

    def returning(self, depth: int) -> tuple[str, Columns]:
        """A statement that changes rows and returns some columns."""
        table = self.random.choice([one for one in CHANGED if one not in self.ctes])
        columns = TABLES[table]
        made = self.random.choice([self.insert, self.update, self.update, self.delete, self.merge])
        text, level = made(table, columns, depth)
        items: list[str] = []
        found: Columns = []
        for _ in range(self.random.randint(1, 2)):
            while True:
                before = len(items)
                self.item(level, 1, items, found)
                if " OVER " not in items[-1]:
                    break
                found = found[: len(found) - 1]
                items = items[:before]
        if self.chance(0.2):
            name, kind = self.random.choice(columns)
            items.append(f"{self.random.choice(['old', 'new'])}.{name} AS changed")
            found.append(("changed", kind))
        return f"{text} RETURNING {', '.join(items)}", found

    def insert(self, table: str, columns: Columns, depth: int) -> tuple[str, Level]:
        usable = [column for column in columns if column[1] != "o"]
        chosen = self.random.sample(usable, self.random.randint(1, min(3, len(usable))))
        if self.chance(0.2):
            text = f"VALUES ({', '.join(typed(self.expression(kind, Level(), 1, calls=False), kind) for _, kind in chosen)})"
        else:
            level = Level()
            from_list = self.from_list(depth - 1, level)
            items = [typed(self.expression(kind, level, depth - 1), kind) for _, kind in chosen]
            window = f" WINDOW w1 AS ({self.window(level)})" if "OVER w1" in " ".join(items) else ""
            text = f"SELECT {', '.join(items)}{from_list}{window}"
        seen = Seen(last_name(table), columns)
        alias = ""
        if self.chance(0.3):
            seen = Seen(self.alias({"excluded"}), columns)
            alias = f" AS {seen.alias}"
        conflict = ""
        if table in ("customers", "orders") and self.chance(0.5):
            name, kind = self.random.choice([one for one in usable if one[0] != "id"])
            level = Level([seen, Seen("excluded", [])])
            value = self.random.choice(
                [f"excluded.{name}", typed(self.expression(kind, level, 0, calls=False), kind), f"{seen.alias}.{name}"]
            )
            conflict = f" ON CONFLICT (id) DO UPDATE SET {name} = {value}"
        names = ", ".join(name for name, _ in chosen)
        return f"INSERT INTO {table}{alias} ({names}) {text}{conflict}", Level([seen])

    def target(self, table: str) -> tuple[str, Seen]:
        if self.chance(0.5):
            alias = self.alias({"excluded", "old_one"})
            return f"{table} AS {alias}", Seen(alias, TABLES[table])
        return table, Seen(last_name(table), TABLES[table])

    def update(self, table: str, columns: Columns, depth: int) -> tuple[str, Level]:
        text, seen = self.target(table)
        around = Level()
        also = ""
        if self.chance(0.5):
            also = " FROM " + self.source(depth - 1, around, {seen.alias})
        level = Level([seen, *around.sources], around.merged)
        usable = [column for column in columns if column[1] != "o"]
        settings = []
        for name, kind in self.random.sample(usable, self.random.randint(1, min(2, len(usable)))):
            value = typed(self.expression(kind, level, 1, calls=False), kind)
            settings.append(f"{name} = {value}" if self.chance(0.8) else f"({name}) = ROW({value})")
        where = f" WHERE {self.condition(level, 1)}" if self.chance(0.5) else ""
        return f"UPDATE {text} SET {', '.join(settings)}{also}{where}", level

    def delete(self, table: str, columns: Columns, depth: int) -> tuple[str, Level]:
        text, seen = self.target(table)
        around = Level()
        also = ""
        if self.chance(0.5):
            also = " USING " + self.source(depth - 1, around, {seen.alias})
        level = Level([seen, *around.sources], around.merged)
        return f"DELETE FROM {text}{also} WHERE {self.condition(level, 1)}", level

    def merge(self, table: str, columns: Columns, depth: int) -> tuple[str, Level]:
        text, seen = self.target(table)
        around = Level()
        using = self.source(depth - 1, around, {seen.alias})
        # RETURNING's star has the source's columns first
        level = Level([*around.sources, seen], around.merged)
        usable = [column for column in columns if column[1] != "o"]
        name, kind = self.random.choice(usable)
        actions = [
            f"WHEN MATCHED AND {self.condition(level, 0)} THEN UPDATE SET {name} = "
            + typed(self.expression(kind, level, 0, calls=False), kind),
            f"WHEN NOT MATCHED THEN INSERT ({name}) VALUES ("
            + typed(self.expression(kind, Level(around.sources, around.merged), 0, calls=False), kind)
            + ")",
            "WHEN MATCHED THEN DELETE",
        ]
        chosen = self.random.sample(actions, self.random.randint(1, 2))
        chosen.sort(key=lambda action: action == actions[2])
        return f"MERGE INTO {text} USING {using} ON {self.condition(level, 0)} {' '.join(chosen)}", level

    def chance(self, part: float) -> bool:
        return self.random.random() < part


def cast(text: str, kind: str) -> str:
    return f"({text})::numeric" if kind == "i" else f'({text})::text COLLATE "C"'


def typed(text: str, kind: str) -> str:
    """As a value that may be assigned to any column of the kind."""
    return f"({text})::integer" if kind == "i" else text


def once(columns: Columns) -> Columns:
    counts = Counter(name for name, _ in columns)
    return [column for column in columns if counts[column[0]] == 1]


def shared(left: Level, right: Level) -> Columns:
    """Columns that both sides have under one name, of one kind that can be compared, in the order of the left."""
    ours, theirs = left.star(), dict(right.star())
    counts = Counter(name for name, _ in [*once(ours), *once(right.star())])
    return [(name, kind) for name, kind in ours if counts[name] == 2 and theirs.get(name) == kind and kind != "o"]


def common_safe(left: Level, right: Level) -> bool:
    """Whether NATURAL joins just the `shared` columns."""
    names = {name for name, _ in left.star()} & {name for name, _ in right.star()}
    return names == {name for name, _ in shared(left, right)}


def made(seed: int, count: int) -> Iterator[str]:
    """`count` statements."""
    maker = Maker(seed)
    for _ in range(count):
        yield maker.statement()
