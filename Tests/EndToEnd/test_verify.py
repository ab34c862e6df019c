"""`tallypost verify` on reports that were not made by the program: a manifest of Python's, signed by openssl."""

import hashlib
import json
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from harness.cli import CommandLine


def canonical(value: Any) -> bytes:
    """As the program writes manifests."""
    return (json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


class Report:
    """A small signed report and the key that signed it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self.key = directory.parent / "close.pem"
        self.public = directory.parent / "close.pub"
        self.openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
        self.openssl("pkey", "-in", self.key, "-pubout", "-out", self.public)
        csv = "type,currency,line,effect,count,amount\r\ncharge,GBP,closing,result,2,12.50\r\nrefund,GBP,closing,result,1,-2.25\r\n"
        (directory / "r_rollforward.csv").write_bytes(b"\xef\xbb\xbf" + csv.encode())
        (directory / "r.txt").write_text("CLEAN\n")
        self.write_manifest(amount="1025")

    @staticmethod
    def openssl(*arguments: str | Path) -> bytes:
        """What openssl prints."""
        return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout

    def write_manifest(self, amount: str, name: str = "r.txt") -> None:
        """Makes the manifest over the files as they are, and signs it."""
        raw = self.openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")[-32:]
        key_id = hashlib.sha256(raw).hexdigest()[:16]
        files: list[dict[str, Any]] = []
        for file in ["r_rollforward.csv", "r.txt"]:
            content = (self.directory / file).read_bytes()
            files.append({"name": file, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "rows": 2})
        files[0] |= {"groupedBy": "line", "sums": {"GBP": {"closing": {"count": "3", "amountMinor": amount}}}}
        files[1]["name"] = name
        manifest = canonical({
            "format": "tallypost-report/1", "name": "r", "status": "clean", "exponents": {"GBP": 2}, "files": files,
            "signedBy": key_id, "previous": None})
        (self.directory / "manifest.json").write_bytes(manifest)
        signature = self.openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", self.directory / "manifest.json")
        (self.directory / "manifest.json.sig").write_bytes(canonical({
            "algorithm": "Ed25519", "keyID": key_id, "publicKey": b64encode(raw).decode(),
            "manifestSHA256": hashlib.sha256(manifest).hexdigest(), "signature": b64encode(signature).decode()}))


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A report that is as it was made."""
    return Report(tmp_path / "r")


def test_a_report_signed_by_openssl_is_verified_with_its_key(tallypost: CommandLine, report: Report) -> None:
    told = tallypost("verify", report.directory / "manifest.json", "--public-key", report.public, "--json").good().json
    assert told["verified"] and told["keyTrusted"] and told["files"] == 2 and told["sums"] == 1
    assert "not" not in tallypost("verify", report.directory).good().out.splitlines()[0]


def test_one_byte_altered_in_any_file_is_named(tallypost: CommandLine, report: Report) -> None:
    for path in sorted(report.directory.iterdir()):
        whole = path.read_bytes()
        for offset in {0, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1:])
            told = tallypost("verify", report.directory, "--json").exited(65).json
            assert told["difference"]["file"] == path.name, (path.name, offset)
        path.write_bytes(whole)
    tallypost("verify", report.directory).good()


def test_a_sum_that_was_told_wrong_is_found_though_everything_is_signed(tallypost: CommandLine, report: Report) -> None:
    report.write_manifest(amount="1024")
    result = tallypost("verify", report.directory).exited(65)
    assert "r_rollforward.csv: sum of closing in GBP" in result.out
    assert "1024" in result.out and "1025" in result.out


def test_a_manifest_that_names_files_elsewhere_is_refused(tallypost: CommandLine, report: Report) -> None:
    report.write_manifest(amount="1025", name="../close.pem")
    assert "a plain name in the report's own directory" in tallypost("verify", report.directory).exited(65).out


def test_what_is_not_there_is_said_clearly(tallypost: CommandLine, report: Report, tmp_path: Path) -> None:
    assert "there is no" in tallypost("verify", tmp_path / "nothing" / "manifest.json").exited(65).err
    assert "close.pem: no Ed25519 public key" in tallypost("verify", report.directory, "--public-key", report.key).exited(65).err
    (report.directory / "manifest.json.sig").unlink()
    assert "manifest.json.sig" in tallypost("verify", report.directory).exited(65).out
