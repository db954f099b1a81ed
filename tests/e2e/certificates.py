"""Certificates for tests, made with openssl: an authority, and what it signs."""

import pathlib
import shutil
import subprocess
import sys


def need_openssl():
    if shutil.which("openssl") is None:
        print("openssl is missing: ops/install kafka")
        sys.exit(77)


def _openssl(*arguments: str):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {arguments}: {done.stderr}")


class Authority:
    def __init__(self, directory: pathlib.Path, name: str):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.name = directory, name
        self.certificate, self.key = directory / f"{name}.ca.pem", directory / f"{name}.ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                 "-keyout", str(self.key), "-out", str(self.certificate))

    def sign(self, to: str, *, names: str = "DNS:localhost,IP:127.0.0.1", days: int = 30) -> tuple:
        """Paths of a new certificate and its key."""
        certificate, key = self.directory / f"{to}.pem", self.directory / f"{to}.key"
        request, extensions = self.directory / f"{to}.csr", self.directory / f"{to}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-keyout", str(key), "-out",
                 str(request))
        _openssl("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self.key), "-days", str(days), "-out",
                 str(certificate), "-extfile", str(extensions))
        key.chmod(0o600)
        return certificate, key
