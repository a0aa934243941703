"""What columns hold, told by name, table and type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.names import label, of_people, split
from gateway.classify.vocabulary import PHRASES

BOOL, INT8, INT4, TEXT, VARCHAR, DATE, TIMESTAMPTZ, NUMERIC, FLOAT8, INET, UUID, JSONB = (
    16, 20, 23, 25, 1043, 1082, 1184, 1700, 701, 869, 2950, 3802,
)  # fmt: skip

HOLD = [
    # column, table, type, label
    ("email", "accounts", TEXT, "email"),
    ("EMailAddress", "x", TEXT, "email"),
    ("customerEmail", "x", VARCHAR, "email"),
    ("contact_email_2", "x", TEXT, "email"),
    ("email_id", "x", TEXT, "email"),
    ("correo_electronico", "clientes", TEXT, "email"),
    ("ssn", "x", TEXT, "ssn"),
    ("social_security_number", "x", TEXT, "ssn"),
    ("national_id", "x", INT8, "ssn"),
    ("passport_no", "x", TEXT, "passport"),
    ("codice_fiscale", "x", TEXT, "ssn"),
    ("cpf", "x", TEXT, "ssn"),
    ("burgerservicenummer", "x", TEXT, "ssn"),
    ("Sozialversicherungsnummer", "x", TEXT, "ssn"),
    ("numero_sécurité_sociale", "x", TEXT, "ssn"),
    ("phone", "x", TEXT, "phone"),
    ("tel_no", "x", TEXT, "phone"),
    ("mobile_number", "x", INT8, "phone"),
    ("Telefonnummer", "x", TEXT, "phone"),
    ("card_number", "x", TEXT, "card"),
    ("creditcardnumber", "x", TEXT, "card"),
    ("card_last4", "x", TEXT, "card"),
    ("cvv", "x", INT4, "card"),
    ("Kreditkartennummer", "x", TEXT, "card"),
    ("iban", "x", TEXT, "iban"),
    ("account_number", "x", INT8, "iban"),
    ("date_of_birth", "x", DATE, "dob"),
    ("dob", "x", TEXT, "dob"),
    ("birth_year", "x", INT4, "dob"),
    ("geburtsdatum", "x", DATE, "dob"),
    ("fecha_nacimiento", "x", DATE, "dob"),
    ("first_name", "x", TEXT, "name"),
    ("LastName", "x", TEXT, "name"),
    ("customer_name", "orders", TEXT, "name"),
    ("patientname", "visits", TEXT, "name"),
    ("name", "customers", TEXT, "name"),
    ("nombre", "clientes", TEXT, "name"),
    ("display_name", "users", TEXT, "name"),
    ("Vorname", "x", TEXT, "name"),
    ("achternaam", "x", TEXT, "name"),
    ("address", "x", TEXT, "address"),
    ("billing_address", "orders", TEXT, "address"),
    ("address_line_2", "x", TEXT, "address"),
    ("Straße", "x", TEXT, "address"),
    ("code_postal", "x", TEXT, "address"),
    ("password_hash", "x", TEXT, "secret"),
    ("api_key", "x", TEXT, "secret"),
    ("refresh_token", "x", UUID, "secret"),
    ("pin", "x", INT4, "secret"),
    ("mot_de_passe", "x", TEXT, "secret"),
    ("diagnosis", "x", TEXT, "health"),
    ("is_pregnant", "x", BOOL, "health"),
    ("blood_type", "x", TEXT, "health"),
    ("Blutgruppe", "x", TEXT, "health"),
    ("salary", "x", NUMERIC, "salary"),
    ("base_pay", "x", INT4, "salary"),
    ("Gehalt", "x", NUMERIC, "salary"),
    ("notes", "x", TEXT, "free_text"),
    ("comment", "x", JSONB, "free_text"),
    ("last_login_ip", "x", TEXT, "ip"),
    ("seen_from", "x", INET, "ip"),
    ("client_ip", "x", VARCHAR, "ip"),
    ("latitude", "x", FLOAT8, "geo"),
    ("lng", "x", NUMERIC, "geo"),
    ("drivers_license", "x", TEXT, "licence"),
    ("rijbewijsnummer", "x", TEXT, "licence"),
    ("fingerprint_template", "x", 17, "biometric"),
    ("mrn", "x", INT8, "health"),
    ("cust_eml", "x", TEXT, "email"),
    ("ph_num", "x", INT8, "phone"),
    ("addr1", "x", TEXT, "address"),
    ("numer_telefonu", "x", TEXT, "phone"),
    ("Imię", "klienci", TEXT, "name"),
    ("Födelsedatum", "x", DATE, "dob"),
    ("fødselsnummer", "x", TEXT, "ssn"),
    ("sähköposti", "x", TEXT, "email"),
    ("rodné_číslo", "x", TEXT, "ssn"),
    ("doğum_tarihi", "x", DATE, "dob"),
    ("prenume", "x", TEXT, "name"),
    ("születési_dátum", "x", DATE, "dob"),
    ("seinengappi", "x", DATE, "dob"),
    ("shoujihao", "x", TEXT, "phone"),
    ("电话号码", "x", TEXT, "phone"),
    ("メールアドレス", "x", TEXT, "email"),
    ("주민등록번호", "x", TEXT, "ssn"),
    ("дата_рождения", "x", DATE, "dob"),
    ("familiya", "x", TEXT, "name"),
]
HOLD_NOT = [
    ("email_verified", "users", BOOL),
    ("email_sent_at", "users", TIMESTAMPTZ),
    ("email_count", "users", TEXT),
    ("email_template", "users", TEXT),
    ("phone_type", "users", TEXT),
    ("card_type", "x", TEXT),
    ("password_changed_at", "users", TIMESTAMPTZ),
    ("tokens_used", "x", INT4),
    ("token_count", "x", INT4),
    ("name", "products", TEXT),
    ("name", "user_roles", TEXT),
    ("company_name", "companies", TEXT),
    ("file_name", "uploads", TEXT),
    ("display_name", "products", TEXT),
    ("city", "users", TEXT),
    ("region", "users", TEXT),
    ("country", "users", TEXT),
    ("gender", "users", TEXT),
    ("job_title", "users", TEXT),
    ("birth_place", "users", TEXT),
    ("description", "products", TEXT),
    ("error_message", "jobs", TEXT),
    ("shipping", "orders", TEXT),
    ("mapping", "x", TEXT),
    ("platform", "x", TEXT),
    ("discount", "x", NUMERIC),
    ("id", "users", INT4),
    ("user_id", "orders", INT4),
    ("created_at", "users", TIMESTAMPTZ),
    ("abalance", "pgbench_accounts", INT4),
    ("filler", "pgbench_accounts", 1042),
    ("order_number", "orders", TEXT),
    ("sku", "products", TEXT),
    ("loyalty_code", "customers", TEXT),
    ("", "", TEXT),
    ("日本語", "x", TEXT),
    ("contact_nomination", "x", TEXT),
    ("key_fingerprint", "x", TEXT),
    ("software_license_number", "x", TEXT),
    ("фиолетовый", "x", TEXT),
]


@pytest.mark.parametrize(("column", "table", "type_oid", "expected"), HOLD)
def test_column_that_holds_sensitive_values_is_labelled(
    column: str, table: str, type_oid: int, expected: str
) -> None:
    assert label(column, table, type_oid) == expected


@pytest.mark.parametrize(("column", "table", "type_oid"), HOLD_NOT)
def test_column_about_something_else_has_no_label(column: str, table: str, type_oid: int) -> None:
    assert label(column, table, type_oid) is None


@pytest.mark.parametrize(
    "table", ["users", "tbl_users_2024", "Customer", "dim_patients", "kunden_archiv", "crmContacts"]
)
def test_tables_of_people_are_known_through_their_trimmings(table: str) -> None:
    assert of_people(table)


@pytest.mark.parametrize("table", ["user_roles", "customer_orders", "products", "t", "2024", ""])
def test_tables_about_people_are_not_tables_of_people(table: str) -> None:
    assert not of_people(table)


def test_names_are_cut_at_marks_case_and_digits() -> None:
    assert split("customerEMailAddress2") == ["customer", "e", "mail", "address", "2"]
    assert split("ICD10_Code") == ["icd", "10", "code"]
    assert split("Straße-Nr") == ["strasse", "nr"]


@given(st.sampled_from([(found, phrase) for found, text in PHRASES.items() for phrase in text.split(",")]))
def test_every_phrase_of_the_vocabulary_labels_a_text_column(pair: tuple[str, str]) -> None:
    words = pair[1].split()
    assert label("_".join(words), "x", TEXT) is not None
    assert label("".join(word.title() for word in words), "x", TEXT) is not None


@given(st.text(max_size=70), st.text(max_size=70), st.integers(0, 2**32 - 1))
def test_any_name_gets_a_known_label_or_none(column: str, table: str, type_oid: int) -> None:
    assert label(column, table, type_oid) in {None, *PHRASES}
