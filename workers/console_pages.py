"""The console's pages, of templates that escape everything by themselves: all that a request says is hostile text."""

import hashlib
import time
from pathlib import Path
from typing import Any, Final

import jinja2

from workers import console_rows

FILES: Final = Path(__file__).parent / "console_files"
STATIC: Final = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


class Pages:
    """Renders; knows the files that pages load by what is in them, so that browsers may keep them."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FILES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"lasts": console_rows.lasts, "moment": console_rows.moment}
        self.static = {name: (FILES / name).read_bytes() for name in STATIC}
        self._marks = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in self.static.items()}
        self._environment.globals["file"] = self.address

    def address(self, name: str) -> str:
        """Where a page finds the file."""
        return f"/console/{self._marks[name]}/{name}"

    def file(self, mark: str, name: str) -> bytes | None:
        """The file of this address."""
        return self.static[name] if self._marks.get(name) == mark else None

    def render(self, template: str, **given: Any) -> bytes:
        """A page of this moment."""
        return self._environment.get_template(f"{template}.html.j2").render(now=time.time(), **given).encode()
