"""A certificate of the local servers, which all contestants trust."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.programs import program_path

_VARIABLES = (
    "SSL_CERT_FILE",  # Python and other users of OpenSSL, Go, and Rust.
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "RCLONE_CA_CERT",
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1, and its key."""

    path: Path
    key: Path

    @classmethod
    def made(cls, folder: Path) -> Self:
        """Create a certificate that is valid for a day.

        Args:
            folder: The folder of the two files.
        """
        path, key = folder / "certificate.pem", folder / "key.pem"
        options = ["-x509", "-nodes", "-days", "1", "-newkey", "ec"]
        options += ["-pkeyopt", "ec_paramgen_curve:P-256"]
        names = ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"]
        # Rust programs refuse the certificate of an authority as that of a server.
        names += ["-addext", "basicConstraints=critical,CA:FALSE"]
        files = ["-keyout", str(key), "-out", str(path)]
        command = [program_path("openssl"), "req", *options, *names, *files]
        subprocess.run(command, check=True, capture_output=True)
        return cls(path, key)

    def environment(self) -> dict[str, str]:
        """Return the environment variables that make programs trust the certificate."""
        return dict.fromkeys(_VARIABLES, str(self.path))
