"""Certificates for servers over TLS, valid for an hour."""

import importlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any


def certify(folder: Path, name: str) -> None:
    """Make an authority, and a certificate of it for a server of this name.

    They are `authority.pem` and `server.pem`, with the server's `key.pem`.
    """
    x509: Any = importlib.import_module("cryptography.x509")
    hashes: Any = importlib.import_module("cryptography.hazmat.primitives.hashes")
    curves: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ec")
    forms: Any = importlib.import_module("cryptography.hazmat.primitives.serialization")
    now = datetime.now(timezone.utc)

    def certificate(subject: str, key: Any, issuer: str, signer: Any, *extensions: Any) -> bytes:
        def named(common: str) -> Any:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])

        builder = x509.CertificateBuilder(named(issuer), named(subject), key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1))
        builder = builder.not_valid_after(now + timedelta(hours=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        known = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(known, critical=False)
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(by, critical=False)
        made: bytes = builder.sign(signer, hashes.SHA256()).public_bytes(forms.Encoding.PEM)
        return made

    authority, key = (curves.generate_private_key(curves.SECP256R1()) for _ in range(2))
    of_authority = x509.BasicConstraints(ca=True, path_length=None)
    # CPython wants it of an authority from 3.13 on.
    signs = dict.fromkeys(("key_cert_sign", "crl_sign"), True)
    others = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "encipher_only", "decipher_only"),
    )
    usage = x509.KeyUsage(**signs, **dict.fromkeys(others, False))
    of_server = x509.SubjectAlternativeName([x509.DNSName(name)])
    own = certificate("an authority", authority, "an authority", authority, of_authority, usage)
    (folder / "authority.pem").write_bytes(own)
    served = certificate(name, key, "an authority", authority, of_server)
    (folder / "server.pem").write_bytes(served)
    private = (forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*private))
