"""Gates and looks: each gate is one that the scanner can compile, and a look reads no further than it says."""

import pytest

from gateway.masking.gates import ESCAPED, GATES, Group
from gateway.masking.scanner import scanner


@pytest.mark.parametrize(
    ("text", "part", "label"),
    [
        ("to jane.o'neil+x@mail.example.co.uk.", "jane.o'neil+x@mail.example.co.uk", "email"),
        ("JANE@EXAMPLE.COM", "JANE@EXAMPLE.COM", "email"),
        ("j\u00fcrgen@b\u00fccher.example", "j\u00fcrgen@b\u00fccher.example", "email"),
        ("DE89 3704 0044 0532 0130 00 was", "DE89 3704 0044 0532 0130 00", "iban"),
        ("AB 12 34 56 C", "AB 12 34 56 C", "ssn"),
        ("dni 12345678Z", "12345678Z", "ssn"),
        ("RSSMRA85T10A562S", "RSSMRA85T10A562S", "ssn"),
        ("1 10105194912310 02X", None, ""),
        ("11010519491231002X", "11010519491231002X", "ssn"),
        ("from 10.20.30.40 on", "10.20.30.40", "ip"),
        ("version 10.20.30.40", None, ""),
        ("2001:db8::8a2e:370:7334", "2001:db8::8a2e:370:7334", "ip"),
        ("00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5e", "ip"),
        ("std::abs(face::x) 12:30:45", None, ""),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "secret"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "secret"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.sig-nature", "eyJhbGciOiJI.eyJzdWIiOiIx.sig-nature", "secret"),
        ("$2b$12$" + "a" * 53, "$2b$12$" + "a" * 53, "secret"),
        ("Password: hunter2!", "hunter2!", "secret"),
        ("api_key='ab c'", "ab c", "secret"),
        ("Authorization: Bearer abcdefghijklmnop123", "abcdefghijklmnop123", "secret"),
        ("postgres://joe:s3cret@db/x", "s3cret", "secret"),
        ("password: None", None, ""),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", None, "secret"),
        ("Dear Jane Smith, thanks", "Jane Smith", "name"),
        ("Herr J\u00fcrgen M\u00fcller war", "J\u00fcrgen M\u00fcller", "name"),
        ("patient Jane Doe seen", "Jane Doe", "name"),
        ("Customer Service and Patient History", None, ""),
        ("Hello World, dear Sir", None, ""),
        ("born on 3 May 1980", "3 May 1980", "dob"),
        ("geb. 03.05.1980", "03.05.1980", "dob"),
        ("released on 3 May 1980", None, ""),
        ("at 12 Main Street, Springfield", "12 Main Street", "address"),
        ("Hauptstra\u00dfe 12b", "Hauptstra\u00dfe 12b", "address"),
        ("12, rue de la Paix", "12, rue de la Paix", "address"),
        ("Calle de Alcal\u00e1 45", "Calle de Alcal\u00e1 45", "address"),
        ("Chapter 3 The Python Language", None, ""),
        ("52.52\u00b0 N, 13.40\u00b0 E", "52.52\u00b0 N, 13.40\u00b0 E", "geo"),
        ("git@github.com:psf/black", None, ""),
    ],
)
def test_each_kind_is_found_and_its_likeness_is_not(text: str, part: str | None, label: str) -> None:
    raw = text.encode()
    spans = [(raw[begin:end].decode(), one) for begin, end, one in scanner().find(raw)]
    if label:
        assert spans == [(part or text, label)]
    else:
        assert spans == []


def test_only_gates_of_digits_are_looked_at_as_runs() -> None:
    assert all(gate.look is not None or gate.group >= Group.DIGITS or gate is ESCAPED for gate in GATES)
    assert all(gate.expressions for gate in GATES)
