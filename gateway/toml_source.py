"""TOML texts as typed values, with every mistake told by file, line, key and mend.

`tomllib` gives values without places and `msgspec` gives paths without lines, so the line of a path is looked
up here by reading the text a second time (TOML 1.0: table headers, keys, and values as far as to their ends): once for
all paths, and by whole lines where a line is plain, since a policy may have tens of thousands of them.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import msgspec

from gateway.errors import ConfigError, ConfigFault

Path = tuple[str | int, ...]
T = TypeVar("T", bound=msgspec.Struct)

_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_TYPES = {
    "object": "table", "str": "string", "int": "whole number", "bool": "true or false", "float": "number",
}
_STRING_ENDS = ('"""', "'''", '"', "'")
_REST = r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)"
_TEXT = r'"(?!"")[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_TEXTS = rf"\[(?:[^\"'\[\]{{}}#\n]*+{_TEXT})*+[^\"'\[\]{{}}#\n]*+\]"
_WORD = r"[^\"'\[{#\n]++"  # a number, a moment, true or false
# Whole lines: a header of one bare name, and a bare key with a text, a list of texts, or what needs no quotes.
_PLAIN_HEADER = re.compile(rf"\[\[([A-Za-z0-9_-]+)\]\]{_REST}")
_PLAIN_PAIR = re.compile(rf"([A-Za-z0-9_-]+)[ \t]*=[ \t]*(?:{_TEXT}|{_TEXTS}|{_WORD}){_REST}")


def parse(text: str, file: str) -> dict[str, Any]:
    """The text's tables. Raises ConfigError with the line of the first error of syntax."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(ConfigFault(file, 0, "TOML", "it nests too deeply", "use fewer brackets")) from None
    except ValueError as error:
        found = _LINE.search(str(error))
        at_end = text.count("\n") + 1 if "at end of document" in str(error) else 0
        line = int(found[1]) if found else at_end
        why = f"not valid: {str(error).partition(' (at ')[0]}"
        raise ConfigError(ConfigFault(file, line, "TOML", why, "correct the syntax")) from None


def convert(tables: dict[str, Any], shape: type[T], text: str, file: str) -> T:
    """The tables as `shape`, whose Structs forbid unknown fields. Raises ConfigError for the first misfit."""
    try:
        return msgspec.convert(tables, shape)
    except RecursionError:
        raise ConfigError(ConfigFault(file, 0, "TOML", "it nests too deeply", "use fewer brackets")) from None
    except msgspec.ValidationError as error:
        why, _, place = str(error).rpartition(" - at `$")
        if not why:
            why, place = str(error), ""
        path: Path = tuple(
            int(number) if number else name for name, number in _STEP.findall(place.rstrip("`"))
        )
        why, path, mend = _explain(why, path, tables, shape)
        fail(text, file, path, why, mend)


def fail(text: str, file: str, path: Path, why: str, mend: str) -> NoReturn:
    """Raise ConfigError for the value at `path` of the text."""
    raise ConfigError(ConfigFault(file, line_of(text, path), key_of(path), why, mend))


def key_of(path: Path) -> str:
    """A path as people write it: ("database", 1, "port") is "database[1].port"."""
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return words.removeprefix(".") or "TOML"


def nearest(word: str, words: list[str]) -> str:
    """The mend for a word that is not one of `words`."""
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else f"use one of: {', '.join(sorted(words))}"


def _explain(why: str, path: Path, tables: Any, shape: Any) -> tuple[str, Path, str]:
    """msgspec's words in ours: what is wrong, the path of the very key, and the mend."""
    if unknown := _UNKNOWN.match(why):
        return "unknown key", (*path, unknown[1]), nearest(unknown[1], _keys(shape, path))
    if missing := _MISSING.match(why):
        return f'the key "{missing[1]}" is missing', path, f"add {missing[1]} = …"
    if why.startswith("Invalid enum value"):
        given, words = _value(tables, path), _words(shape, path)
        return "not one of the known words", path, nearest(str(given), words)
    expected = why.removeprefix("Expected ").replace("`", "")
    wanted, _, got = expected.partition(", got ")
    for old, new in _TYPES.items():
        wanted = re.sub(rf"\b{old}\b", new, wanted)
        got = re.sub(rf"\b{old}\b", new, got)
    why = f"it is of the type {got}" if got else "the value is out of range"
    return why, path, f"give {wanted.removesuffix(' | null')}"


def _value(tables: Any, path: Path) -> Any:
    for step in path:
        tables = tables[step]
    return tables


def _type_at(shape: Any, path: Path) -> Any:
    """msgspec's description of the type at a path of the shape."""
    info: Any = msgspec.inspect.type_info(shape)
    for step in path:
        if isinstance(info, msgspec.inspect.UnionType):
            info = next(one for one in info.types if not isinstance(one, msgspec.inspect.NoneType))
        if isinstance(step, int):
            info = info.item_type
        else:
            info = next(field.type for field in info.fields if field.encode_name == step)
    if isinstance(info, msgspec.inspect.UnionType):
        info = next(one for one in info.types if not isinstance(one, msgspec.inspect.NoneType))
    return info


def _keys(shape: Any, path: Path) -> list[str]:
    return [field.encode_name for field in _type_at(shape, path).fields]


def _words(shape: Any, path: Path) -> list[str]:
    return [str(word) for word in _type_at(shape, path).values]


def line_of(text: str, path: Path) -> int:
    """The 1-based line of the key at `path`, or else of the nearest key or table around it; 0 for none."""
    return nearest_line(lines_of(text), path)


def lines_of(text: str) -> Mapping[Path, int]:
    """The line of every table and key of a text that `parse` has accepted."""
    return _Lines(text).read()


def nearest_line(lines: Mapping[Path, int], path: Path) -> int:
    """As `line_of`, where many paths of one text are looked up."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


class _Lines:
    """The line of every table header and every key of a TOML text that `tomllib` has accepted."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}
        self._counted, self._breaks = 0, 0  # how far line breaks are counted, and how many there were

    def read(self) -> dict[Path, int]:
        table: Path = ()
        while self.at < len(self.text):
            self._blank()
            if (header := _PLAIN_HEADER.match(self.text, self.at)) is not None:
                table = self._opened((header[1],), self._line(), array=True)
                self.at = header.end()
            elif (pair := _PLAIN_PAIR.match(self.text, self.at)) is not None:
                self._note((*table, pair[1]), self._line())
                self.at = pair.end()
            elif self.text.startswith("[", self.at):
                table = self._header()
            elif self.at < len(self.text):
                self._pair(table)
        return self.lines

    def _blank(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in " \t\r\n":
                self.at += 1
            else:
                return

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _line(self) -> int:
        self._breaks += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._breaks + 1

    def _header(self) -> Path:
        line, array = self._line(), self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        names = self._key("]")
        self.at += 2 if array else 1
        return self._opened(names, line, array=array)

    def _opened(self, names: Sequence[str], line: int, *, array: bool) -> Path:
        """The path of a table whose header this is; the next entry where it is one of an array."""
        path: Path = ()
        for index, name in enumerate(names):
            path = (*path, name)
            if array and index == len(names) - 1:
                self.counts[path] = self.counts.get(path, -1) + 1
            if path in self.counts:
                path = (*path, self.counts[path])
        self._note(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        names = self._key("=")
        self.at += 1
        self._note((*table, *names), line)
        self._value()

    def _key(self, end: str) -> list[str]:
        """The parts of a dotted key, up to `end`."""
        names: list[str] = []
        while self.at < len(self.text) and self.text[self.at] != end:
            char = self.text[self.at]
            if char in "\"'":
                start = self.at
                self._string()
                quoted = self.text[start : self.at]
                names.append(str(next(iter(tomllib.loads(f"{quoted} = 0")))))
            elif char in " \t.":
                self.at += 1
            else:
                start = self.at
                while self.at < len(self.text) and self.text[self.at] not in " \t.=]\n":
                    self.at += 1
                names.append(self.text[start : self.at])
                if self.at == start:
                    break  # not a key: the caller steps over it
        return names

    def _string(self) -> None:
        """Step over the string that starts here."""
        mark = next(mark for mark in _STRING_ENDS if self.text.startswith(mark, self.at))
        self.at += len(mark)
        while self.at < len(self.text) and not self.text.startswith(mark, self.at):
            self.at += 2 if self.text[self.at] == "\\" and mark[0] == '"' else 1
        self.at += len(mark)
        if len(mark) == 3:  # up to two quotes may stand right before the closing three
            while self.text.startswith(mark[0], self.at):
                self.at += 1

    def _value(self) -> None:
        """Step over a value: to the end of its line, or of the last line of its brackets and strings."""
        depth = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "\"'":
                self._string()
                continue
            if char == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
                continue
            depth += (char in "[{") - (char in "]}")
            self.at += 1
            if char == "\n" and depth <= 0:
                return
