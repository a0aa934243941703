"""The house rules that a machine can hold: places, imports, sizes, names, style and types."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ROOMS = ("parser", "gateway", "workers")
SOURCES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
PYTHON = sorted(file for room in (*ROOMS, "tests", "loadtest") for file in (ROOT / room).rglob("*.py"))
NAMELESS_WORDS = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
MODULE_LINES_MAX = 450  # about 400; a module that grows past it is two modules
FUNCTION_LINES_MAX = 60
# Modules whose test bears another name: they act only together. The list may shrink, never grow.
TESTED_TOGETHER = {
    "parser/literals.py": "tests/parser/test_tokenizer.py",
}
# A library enters through one door, so that it can be replaced there.
DOORS = {
    "numpy": ("gateway/masking/",),
    "librt": ("gateway/masking/", "gateway/session/", "gateway/audit/"),
    "trio": ("workers/",),
    "jwt": ("gateway/identity/",),
    "cryptography": (
        "gateway/identity/", "gateway/approvals/sealed.py", "gateway/masking/tokens.py", "gateway/masking/key_sets.py",
        "workers/",
    ),
    "trio_websocket": ("workers/slack_socket.py",),
    "hyperscan": ("gateway/masking/scanner.py",),
    "google_crc32c": ("gateway/audit/", "workers/"),
    "click": ("workers/",),
    "hypercorn": ("workers/admin_server.py",),
    "starlette": ("workers/admin_app.py", "workers/channel_routes.py", "workers/console_app.py"),
    "httpx2": ("workers/http_out.py", "workers/admin_client.py"),
    "rich": ("workers/",),
    "zstandard": ("workers/audit_trail.py", "workers/notary_keeping.py", "workers/fleet_rows.py"),
    "jinja2": ("workers/report_page.py", "workers/console_pages.py"),
    "pyarrow": ("workers/audit_parquet.py",),
    "obstore": ("workers/audit_ship.py",),
    "psycopg": ("workers/store_connection.py", "workers/demo.py"),
    "phonenumbers": ("gateway/classify/phones.py",),
}


def place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_import_contracts_hold() -> None:
    run(str(BIN / "lint-imports"), "--no-logo", "--no-cache")


def test_style_is_clean() -> None:
    run(str(BIN / "ruff"), "check", "--quiet", "--no-cache", ".")


def test_types_are_strict_and_clean() -> None:
    run(str(BIN / "mypy"), "--no-error-summary")


def test_parser_knows_the_standard_library_alone() -> None:
    for file in (ROOT / "parser").rglob("*.py"):
        foreign = imported(file) - sys.stdlib_module_names - {"parser", "mypy_extensions"}  # names for the compiler alone
        assert not foreign, f"{place(file)} imports {foreign}"


@pytest.mark.parametrize("library", sorted(DOORS))
def test_library_enters_through_its_door(library: str) -> None:
    for file in SOURCES:
        if library in imported(file):
            assert place(file).startswith(DOORS[library]), f"{place(file)} imports {library}"


def test_parser_and_gateway_neither_wait_nor_open_files() -> None:
    for file in (file for room in ("parser", "gateway") for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            waits = isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith)
            assert not waits, f"{place(file)} waits"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"open", "print", "input"}, f"{place(file)}:{node.lineno}"


def test_loadtest_knows_only_the_wire() -> None:
    names = ("asking", "lexing", "deciding", "classifying", "verifying", "recording", "large_policy")
    measured = {f"loadtest/{name}.py" for name in names}  # what no wire reaches by itself
    for file in (ROOT / "loadtest").rglob("*.py"):
        if place(file) in measured:
            continue
        assert not imported(file) & set(ROOMS), f"{place(file)} imports our packages"


def test_modules_and_functions_fit_in_a_head() -> None:
    for file in SOURCES:
        text = file.read_text()
        assert text.count("\n") <= MODULE_LINES_MAX, f"{place(file)} is too long"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= FUNCTION_LINES_MAX, f"{place(file)}: {node.name} has {lines} lines"


def test_no_file_has_a_name_that_says_nothing() -> None:
    for file in PYTHON:
        assert not NAMELESS_WORDS & set(re.split(r"[_.]", file.stem)), place(file)


def test_every_module_says_what_it_is_for() -> None:
    for file in SOURCES:
        tree = ast.parse(file.read_text())
        assert not tree.body or ast.get_docstring(tree), f"{place(file)} has no docstring"


def has_code(file: Path) -> bool:
    """Whether it has a function or a method of its own making. Pure declarations are tested by their users."""
    nodes = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return any(not node.name.startswith("__") for node in nodes)


def own_test(file: Path) -> bool:
    """`gateway/audit/chain.py` has a test_chain.py or test_audit_chain.py somewhere below tests."""
    _, *folders, name = file.relative_to(ROOT).with_suffix("").parts
    wanted = {f"test_{name}.py", f"test_{'_'.join([*folders, name])}.py"}
    return any(test.name in wanted for test in (ROOT / "tests").rglob("test_*.py"))


def test_every_module_has_its_test() -> None:
    modules = [file for file in SOURCES if file.stem != "__init__" and has_code(file)]
    assert [
        place(file) for file in modules if not own_test(file) and place(file) not in TESTED_TOGETHER
    ] == []


def test_list_of_modules_that_are_tested_together_only_shrinks() -> None:
    for module, test in TESTED_TOGETHER.items():
        assert (ROOT / module).exists(), f"{module} is gone: take it off the list"
        assert (ROOT / test).exists(), f"{test} is gone"
        assert not own_test(ROOT / module), f"{module} has its own test now: take it off the list"


def test_tests_have_no_packages_that_could_shadow_the_rooms() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_hot_modules_are_compiled_where_make_made_the_environment() -> None:
    """One module that mypyc cannot compile leaves all of them interpreted, and nothing but speed would tell."""
    if Path(sys.prefix) != ROOT / ".venv" or os.environ.get("SLUICE_PURE") == "1" or not shutil.which("gcc"):
        pytest.skip("nothing is compiled here")
    listed = re.findall(r'^    "(.*)\.py",$', (ROOT / "setup.py").read_text(), re.MULTILINE)
    assert [one for one in listed if not list((ROOT / one).parent.glob(f"{Path(one).name}.*.so"))] == []


def test_tests_of_one_file_go_to_one_process(request: pytest.FixtureRequest) -> None:
    """Where several share them; else the servers and gateways of a file would be started in each."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("one process runs all")
    assert request.node.nodeid.endswith("@tests/structure/test_rooms.py")


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    for file in PYTHON:
        found = later.search(file.read_text())
        assert not found, f"{place(file)} says {found and found[0]}"


def test_lock_file_names_no_registry() -> None:
    text = (ROOT / "tests/live/node/package-lock.json").read_text()
    assert "resolved" not in text
    assert "registry" not in text
