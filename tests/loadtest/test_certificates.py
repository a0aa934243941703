"""The certificate that the measured servers show."""

import ssl
from pathlib import Path

from certificates import make_certificate


def test_certificate_fits_its_key_which_its_owner_alone_may_read(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    assert key.stat().st_mode & 0o077 == 0
