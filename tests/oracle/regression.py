"""PostgreSQL's own regression SQL, taken from Debian's source packages: never part of this project, only read by its tests.

`make oracle` fetches it (`python tests/oracle/regression.py`) from the mirror that this machine's own apt uses, through apt
itself, which checks signatures, into `.cache/regression/`. Tests that need it are skipped where it is not there.

`files()` are the psql scripts; `statements(file)` are the texts that psql would send, as its own lexer would cut them
(psqlscan.l): at semicolons outside of brackets and of BEGIN ATOMIC … END, and not at `\\;`. Left out are backslash
commands, the data behind COPY … FROM STDIN, texts that hold a psql variable, and what is sent while
standard_conforming_strings is off.
"""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "regression"
PACKAGES = {"bookworm": "postgresql-15", "trixie": "postgresql-17", "sid": "postgresql-18"}
ABSENT = "PostgreSQL's regression SQL is not here: `make oracle` fetches it"

# --- fetching ---


def mirror() -> tuple[str, str]:
    """The Debian mirror of this machine's apt, and its keyring ("" where apt's own trusted keys do)."""
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for place in (place for place in places if place.is_file()):
        text = place.read_text(errors="replace")
        for stanza in text.split("\n\n"):
            uri = re.search(r"^URIs:.*?(\S+/debian)/?(?:\s|$)", stanza, re.MULTILINE)
            key = re.search(r"^Signed-By:\s*(/\S+)", stanza, re.MULTILINE)
            if uri:
                return uri[1], key[1] if key else ""
        line = re.search(r"^deb\s+(?:\[.*?\]\s+)?(\S+/debian)/?\s", text, re.MULTILINE)
        if line:
            return line[1], ""
    sys.exit("no Debian mirror among apt's sources: the regression SQL cannot be fetched here")


def fetch() -> None:
    """Fetches what is not there yet. A suite that the mirror does not have is passed over."""
    for suite, package in PACKAGES.items():
        if list((CACHE / package).glob("*.sql")):
            continue
        work = CACHE / "apt" / suite
        (work / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        uri, key = mirror()
        source = work / "src.list"
        source.write_text(f"deb-src {f'[signed-by={key}] ' if key else ''}{uri} {suite} main\n")
        options = [f"Dir::Etc::sourcelist={source}", "Dir::Etc::sourceparts=-", f"Dir::State::lists={work}/lists"]
        command = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]
        try:
            subprocess.run([*command, "update"], check=True)
            subprocess.run([*command, "source", "--download-only", package], check=True, cwd=work)
        except (OSError, subprocess.CalledProcessError) as fault:
            print(f"{package} could not be fetched: {fault}", file=sys.stderr)
            continue
        unpack(next(work.glob("*.orig.tar.*")), CACHE / package)
        print(f"{package}: {len(list((CACHE / package).glob('*.sql')))} files")


def unpack(archive: Path, target: Path) -> None:
    """The regression suite's scripts out of the source archive, each under its own name."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as packed:
        for member in packed:
            if re.search(r"/src/test/regress/sql/[^/]+\.sql$", member.name) and (held := packed.extractfile(member)):
                (target / Path(member.name).name).write_bytes(held.read())


# --- reading ---


def files() -> list[Path]:
    """The psql scripts of every version that was fetched, oldest version first; [] where none was."""
    return [file for package in PACKAGES.values() for file in sorted((CACHE / package).glob("*.sql"))]


_PART = re.compile(
    r"""
      (?P<text> [eE]'(?:[^'\\]|\\.|'')*'(?:\s*\n\s*'(?:[^'\\]|\\.|'')*')* | '[^']*' | "[^"]*" )
    | (?P<dollar> \$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$ )
    | (?P<word> [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
    | (?P<line> --[^\n]* )
    | (?P<block> /\* )
    | (?P<command> \\(?:;|[^\n]*) )
    | (?P<mark> [;()] )
    | (?P<plain> ::|:= )
    | (?P<variable> :(?:'\w+'|"\w+"|[A-Za-z_]\w*|\{\?\w+\}) )
    | [\s\S]
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_SENDS = re.compile(r"\\(?:g|gx|gset|gexec|gdesc|watch|crosstabview|bind|parse|sendpipeline)\b")
_COPY = re.compile(r"^\s*copy\b[^;]*\bfrom\s+stdin\b", re.IGNORECASE)
_CLIENT_COPY = re.compile(r"\\copy\b.*\bfrom\s+stdin\b", re.IGNORECASE)
_NEXT_COPY = re.compile(r"^\\?copy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.MULTILINE)
_DATA_END = re.compile(r"^\\\.$", re.MULTILINE)
_CONFORMING = re.compile(r"^\s*set\s+standard_conforming_strings\s*(?:to|=)\s*(on|off)", re.IGNORECASE)


def statements(file: Path) -> list[str]:
    """The texts that psql sends from a script, in order."""
    return cut(file.read_text(errors="replace"))


def cut(script: str) -> list[str]:
    """The texts that psql sends from a script, in order."""
    cutter = _Cutter(script)
    cutter.run()
    return cutter.texts


class _Cutter:
    """psql's reading of a script. `words` are the first words of the statement, `begun` counts BEGIN and CASE in a body."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.texts: list[str] = []
        self.conforming = True
        self.at = 0
        self.restart("")

    def restart(self, held: str) -> None:
        self.held = held
        self.depth = self.begun = 0
        self.words: list[str] = []
        self.variable = False

    def run(self) -> None:
        script = self.script
        while self.at < len(script):
            found = _PART.match(script, self.at)
            assert found
            self.at = found.end()
            what, text = found.lastgroup, found[0]
            if text[0] == "'" and not self.conforming and (escaped := _ESCAPED.match(script, found.start())):
                self.at = escaped.end()
            elif what == "dollar":
                end = script.find(text, self.at)
                self.at = end + len(text) if end >= 0 else len(script)
            elif what == "block":
                self.at = comment_end(script, found.start())
            elif what == "command" and text != "\\;":
                self.command(text)
                continue
            elif what == "command":
                self.restart(self.held + ";")
                continue
            elif what == "variable":
                self.variable = self.variable or not self.held.rstrip().endswith("[")
            elif what == "word":
                self.word(text.lower())
            elif text in ("(", ")"):
                self.depth = max(0, self.depth + (1 if text == "(" else -1))
            elif text == ";" and not self.depth and not self.begun:
                self.send(";")
                continue
            self.held += script[found.start() : self.at]

    def word(self, word: str) -> None:
        if len(self.words) < 4:
            self.words.append(word)
        if self.words[0] != "create" or not {"function", "procedure"} & set(self.words[1:4:2]):
            return
        if word == "begin" or (word == "case" and self.begun):
            self.begun += 1
        elif word == "end" and self.begun:
            self.begun -= 1

    def command(self, text: str) -> None:
        """A backslash command, up to the end of the line; \\g and its like send what is held."""
        if _SENDS.match(text):
            self.send("")
        elif re.match(r"\\r(?:eset)?\b", text):
            self.restart("")
        elif _CLIENT_COPY.match(text):
            self.skip_data()

    def send(self, end: str) -> None:
        text, variable = (self.held + end).strip(), self.variable
        self.restart("")
        if text in ("", ";"):
            return
        setting = _CONFORMING.match(text)
        if self.conforming and not variable:
            self.texts.append(text)
        if setting:
            self.conforming = setting[1].lower() == "on"
        if _COPY.match(re.sub(r"--.*|/\*.*?\*/", "", text)):
            self.skip_data()

    def skip_data(self) -> None:
        """Over the data of a COPY, where it has any: one that should fail has none, and another COPY comes before `\\.`."""
        line = self.script.find("\n", self.at) + 1
        end = _DATA_END.search(self.script, line)
        other = _NEXT_COPY.search(self.script, line)
        if line and end and not (other and other.start() < end.start()):
            self.at = end.end()


def comment_end(script: str, start: int) -> int:
    """Where the nested comment that begins at `start` ends."""
    depth = 0
    for edge in re.finditer(r"/\*|\*/", script[start:]):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return start + edge.end()
    return len(script)


if __name__ == "__main__":
    fetch()
