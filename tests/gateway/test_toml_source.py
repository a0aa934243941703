"""Lines and mends of mistakes in TOML."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.toml_source import key_of, line_of, parse

TEXT = '''# a comment with [a.header] and key = 1
top = 1
[gateway]
listen = "x" # [no] header = here
"quoted key" = """
[gateway]
fake = 1 """""
literal = \'\'\'
[fake] \'\'\'
arr = [ # one
  "a]",
  { b = 1 },
]
[[database]]
name = "a\\"]"
[[database]]
name = 'b\\'
prot = 1
[database.sub.deep]
k . l = 3
[[database.more]]
x = 1
[[database.more]]
x = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("gateway",), 3),
        (("gateway", "listen"), 4),
        (("gateway", "quoted key"), 5),
        (("gateway", "literal"), 8),
        (("gateway", "arr", 1, "b"), 10),
        (("database", 0, "name"), 15),
        (("database", 1), 16),
        (("database", 1, "prot"), 18),
        (("database", 1, "missing"), 16),
        (("database", 1, "sub", "deep", "k", "l"), 20),
        (("database", 1, "more", 0, "x"), 22),
        (("database", 1, "more", 1, "x"), 24),
        (("nowhere",), 0),
        ((), 0),
    ],
)
def test_a_path_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert line_of(TEXT, path) == line


def test_windows_line_ends_count_as_lines() -> None:
    text = "[a]\r\nb = 1\r\nc = 2\r\n"
    assert line_of(text, ("a", "c")) == 3


def test_a_path_is_written_as_people_write_it() -> None:
    assert key_of(("database", 1, "port")) == "database[1].port"
    assert key_of(()) == "TOML"


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = ?\n", 2), ("a = 1\na = 2\n", 2), ("a = [1,\n\n", 3), ("[" * 9999, 0)]
)
def test_an_error_of_syntax_names_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.toml")
    assert caught.value.fault.file == "f.toml"
    assert caught.value.fault.line in (line, line + 1)


keys = st.text(alphabet="abc\"' .[]#=", min_size=1, max_size=5)


@given(
    st.lists(
        st.tuples(keys, st.text(alphabet="ab\"'\n\\[]{}#= ", max_size=12)), min_size=1, max_size=6, unique_by=lambda t: t[0]
    )
)
def test_every_key_of_a_table_is_found_where_it_was_written(pairs: list[tuple[str, str]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    lines = ["[[t]]"]
    where = {}
    for key, value in pairs:
        lines.append(f"{quoted(key)} = [ # ] [[t]] = '\"")
        where[key] = len(lines)
        lines.append(f"  {quoted(value)}, {{ k = {quoted(value)} }}, '''\n[[t]]\n''',")
        lines[-1:] = lines[-1].split("\n")
        lines.append("]")
    text = "\n".join(lines)
    tomllib.loads(text)
    assert {key: line_of(text, ("t", 0, key)) for key, _ in pairs} == where


@given(st.text(alphabet='[]{}="\'\\\n#. ab1,', max_size=40))
def test_any_text_is_either_tables_or_a_config_error(text: str) -> None:
    try:
        tables = parse(text, "f")
    except ConfigError:
        return
    for key in tables:
        assert line_of(text, (key,)) > 0
