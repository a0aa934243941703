"""The files behind the doors of sluice.toml that SIGHUP reads again: who signs client certificates, which of these are
revoked, and the static credentials."""

from pathlib import Path
from typing import Final, NoReturn

import msgspec
from cryptography import x509

from gateway.errors import ConfigError, ConfigFault
from gateway.identity import certificates, credentials
from gateway.identity.certificates import Authority
from gateway.identity.credentials import Credentials
from gateway.settings import Settings

DoorFiles = dict[str, tuple[str, bytes]]  # by the key of [gateway]: path and content
CA, CRL, CREDENTIALS = "tls_client_ca", "tls_client_crl", "credentials"
KEYS: Final = (CA, CRL, CREDENTIALS)


def check(files: DoorFiles, settings: Settings, file: str, mock_key: bytes) -> None:
    """Raises ConfigError for the first file, or rule for certificates, that could not be used."""
    certificates.rules_of(settings.certificates, file)
    credentials_of(files, settings, mock_key)
    if CA in files:
        path, content = files[CA]
        try:
            x509.load_pem_x509_certificates(content)
        except ValueError:
            _fault(path, CA, "it holds no certificates in PEM", "give the certificates of those who sign clients'")
    if CRL in files:
        path, content = files[CRL]
        try:
            lists = [x509.load_pem_x509_crl(one) for one in certificates.REVOCATION_LIST.findall(content)]
        except ValueError:
            lists = []
        if not lists:
            _fault(path, CRL, "it holds no revocation list in PEM", "give one of every CA in tls_client_ca")


def credentials_of(files: DoorFiles, settings: Settings, mock_key: bytes) -> Credentials:
    """The static credentials, none where no file is named. Raises ConfigError."""
    path, content = files.get(CREDENTIALS, ("", b""))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        _fault(path, CREDENTIALS, "the file is not UTF-8", "save it as UTF-8")
    return credentials.read(text, path, settings.gateway.scram_users, mock_key)


def authority_of(files: DoorFiles) -> Authority:
    """Who signs client certificates. Raises ValueError."""
    return Authority(*(files.get(key, ("", b""))[1] for key in (CA, CRL)))


def named(folder: Path, settings: Settings) -> dict[str, Path]:
    """The files that the settings name, by their keys."""
    names = {key: getattr(settings.gateway, key) for key in KEYS}
    return {key: folder / name for key, name in names.items() if name}


def pack(files: DoorFiles) -> bytes:
    """For handing changed files to running workers."""
    return msgspec.msgpack.encode(files)


def unpack(content: bytes) -> DoorFiles:
    return msgspec.msgpack.decode(content, type=DoorFiles)


def _fault(file: str, key: str, why: str, mend: str) -> NoReturn:
    raise ConfigError(ConfigFault(file=file, line=0, key=f"gateway.{key}", why=why, mend=mend))
