import Glibc
import TallypostCore
import TallypostReconciliation
import Testing

@testable import TallypostReports

struct VerifyTests {
    /// The key of RFC 8032, section 7.1, test 1, as openssl writes it.
    private static let seed: [UInt8] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69,
        0x7b, 0x32,
        0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ]

    private static func pem(_ seed: [UInt8]) -> String {
        let der: [UInt8] =
            [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20] + seed
        return "-----BEGIN PRIVATE KEY-----\n\(Base64.encode(der))\n-----END PRIVATE KEY-----\n"
    }

    private static func signer() throws -> ReportSigner { try ReportSigner(pem: pem(seed)) }

    /// A signed report with both names under it.
    private func made(in directory: String, previous: ReportManifest.Previous? = nil, revision: Int = 1) throws -> (
        path: String, sha256: String
    ) {
        let documents = ReportDocuments(SampleReport.breaks(), environment: "prod", revision: revision)
        let files = try documents.files()
        let signer = try Self.signer()
        let manifest = try ReportManifest(documents, files: files, previous: previous, signer: signer)
        let path = "\(directory)/\(documents.name.stem)"
        try ReportDirectory.write(files + [manifest.file] + (manifest.signature.map { [$0] } ?? []), into: path)
        for (role, by) in [("preparer", "Anna Weber"), ("reviewer", "Tom Reed")] {
            let signOff = SignOffFile(role: role, by: by, at: SampleReport.asOf, note: nil, manifestSHA256: manifest.sha256)
            try ReportDirectory.add(try signOff.file(signer: signer), to: path)
        }
        return (path, manifest.sha256)
    }

    private func difference(_ path: String, keys: [ReportPublicKey] = [], previous: String? = nil) throws -> ReportVerifier
        .Difference?
    {
        do {
            _ = try ReportVerifier(manifest: path, keys: keys, previous: previous).verify()
            return nil
        } catch let difference as ReportVerifier.Difference { return difference }
    }

    @Test func `the signer is the one of RFC 8032`() throws {
        let signer = try Self.signer()
        #expect(Digest.hex(signer.publicKey.raw) == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        #expect(
            Digest.hex(try signer.sign([])).hasPrefix("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb88215"))
        #expect(throws: ReportFailure.self) { try ReportSigner(pem: "-----BEGIN ENCRYPTED PRIVATE KEY-----\n") }
        #expect(throws: ReportFailure.self) { try ReportSigner(pem: "nonsense") }
    }

    @Test func `one byte altered anywhere in any file of a signed report is found, and its file named`() throws {
        let directory = try TemporaryReports.make()
        defer { TemporaryReports.remove(directory) }
        let (path, _) = try made(in: directory)
        let good = try ReportVerifier(manifest: "\(path)/manifest.json", keys: [try Self.signer().publicKey]).verify()
        #expect(good.isKeyTrusted && good.signOffs.count == 2 && good.sums > 50)
        for name in try TemporaryReports.names(path) {
            let bytes = try TemporaryReports.bytes("\(path)/\(name)")
            // The small ones closely; of the others the ends and some between.
            let isSmall = name.hasSuffix(".sig") || name.hasPrefix("signature-")
            let offsets =
                isSmall
                ? Array(stride(from: 0, to: bytes.count, by: 7)) + [bytes.count - 1]
                : [0, bytes.count / 3, bytes.count / 2, bytes.count - 1]
            for offset in offsets {
                var altered = bytes
                altered[offset] ^= 1
                try TemporaryReports.write(altered, "\(path)/\(name)")
                #expect(try difference(path)?.file == name, "\(name), byte \(offset)")
            }
            try TemporaryReports.write(bytes, "\(path)/\(name)")
        }
        #expect(try difference(path) == nil)
    }

    @Test func `a disk that is full and a folder that is not ours name the mend`() {
        #expect(ReportDirectory.mend(for: ENOSPC)?.contains("make room") == true)
        #expect(ReportDirectory.mend(for: EACCES)?.contains("another directory") == true)
        #expect(ReportDirectory.mend(for: EIO) == nil)
    }

    @Test func `a file too many, one too few, another key and a missing signature are found`() throws {
        let directory = try TemporaryReports.make()
        defer { TemporaryReports.remove(directory) }
        let (path, _) = try made(in: directory)
        let other = try ReportSigner(pem: Self.pem(Array(repeating: 7, count: 32))).publicKey
        #expect(try difference(path, keys: [other])?.what == "key")
        try TemporaryReports.write([1], "\(path)/notes.txt")
        #expect(try difference(path)?.file == "notes.txt")
        TemporaryReports.remove("\(path)/notes.txt")
        let name = try #require(try TemporaryReports.names(path).first { $0.hasSuffix("_breaks.csv") })
        let bytes = try TemporaryReports.bytes("\(path)/\(name)")
        TemporaryReports.remove("\(path)/\(name)")
        #expect(try difference(path)?.found == "missing")
        try TemporaryReports.write(bytes, "\(path)/\(name)")
        TemporaryReports.remove("\(path)/manifest.json.sig")
        #expect(try difference(path)?.file == "manifest.json.sig")
    }

    @Test func `sums are added up from the files, not believed`() throws {
        let documents = ReportDocuments(SampleReport.breaks(), environment: "prod", revision: 1)
        // The manifest is made over a CSV that lacks a hundred: hash and size agree, the sums do not.
        var files = try documents.files()
        let index = try #require(files.firstIndex { $0.name.hasSuffix("_rollforward.csv") })
        files[index].bytes = Array(String(decoding: files[index].bytes, as: UTF8.self).replacing("3902.50", with: "3802.50").utf8)
        let directory = try TemporaryReports.make()
        defer { TemporaryReports.remove(directory) }
        try ReportDirectory.write(files + [try ReportManifest(documents, files: files).file], into: "\(directory)/r")
        let found = try difference("\(directory)/r")
        #expect(found?.file == files[index].name)
        #expect(found?.what == "sum of opening in GBP")
    }

    @Test func `the report before is found beside, or where it is said to be`() throws {
        let directory = try TemporaryReports.make()
        defer { TemporaryReports.remove(directory) }
        let first = try made(in: directory)
        let name = ReportDirectory.split(first.path).own
        let second = try made(in: directory, previous: .init(name: name, sha256: first.sha256), revision: 2)
        #expect(try ReportVerifier(manifest: second.path).verify().isPreviousChecked)
        var bytes = try TemporaryReports.bytes("\(first.path)/manifest.json")
        bytes[40] ^= 1
        try TemporaryReports.write(bytes, "\(first.path)/manifest.json")
        #expect(try difference(second.path)?.file == "\(name)/manifest.json")
        #expect(try difference(second.path, previous: "\(first.path)/manifest.json")?.what == "SHA-256 of the previous manifest")
        TemporaryReports.remove(first.path)
        #expect(try !ReportVerifier(manifest: second.path).verify().isPreviousChecked)
    }

    @Test(arguments: ["../x", "/etc/passwd", "a/b", ".", "..", "", ".hidden", "a\\b"])
    func `a manifest may not name what lies elsewhere`(name: String) throws {
        let directory = try TemporaryReports.make()
        defer { TemporaryReports.remove(directory) }
        let entry: JSONTree = .object(["name": .string(name), "sha256": .string(""), "bytes": .integer(0), "rows": .integer(0)])
        let manifest: JSONTree = .object(["format": .string("tallypost-report/1"), "files": .array([entry]), "signedBy": .null])
        try TemporaryReports.write(manifest.canonical, "\(directory)/manifest.json")
        #expect(try difference(directory)?.what.hasPrefix("the name") == true)
    }

    @Test func `a report is never written over, and a role signs once`() throws {
        let directory = try TemporaryReports.make()
        defer { TemporaryReports.remove(directory) }
        let (path, sha256) = try made(in: directory)
        #expect(throws: ReportFailure.self) { try made(in: directory) }
        let again = SignOffFile(role: "reviewer", by: "Eve", at: SampleReport.asOf, manifestSHA256: sha256)
        #expect(throws: ReportFailure.self) { try ReportDirectory.add(try again.file(signer: nil), to: path) }
        #expect(try TemporaryReports.names(directory).count == 1)
        #expect(try difference(path) == nil)
    }

    @Test func `preparer and reviewer are two people`() throws {
        let directory = try TemporaryReports.make()
        defer { TemporaryReports.remove(directory) }
        let documents = ReportDocuments(SampleReport.clean(), environment: "prod", revision: 1)
        let files = try documents.files()
        let manifest = try ReportManifest(documents, files: files)
        try ReportDirectory.write(files + [manifest.file], into: "\(directory)/r")
        for (role, by) in [("preparer", "Anna Weber"), ("reviewer", "anna  weber")] {
            let signOff = SignOffFile(role: role, by: by, at: SampleReport.asOf, manifestSHA256: manifest.sha256)
            try ReportDirectory.add(try signOff.file(signer: nil), to: "\(directory)/r")
        }
        #expect(try difference("\(directory)/r")?.file == "signature-reviewer.json")
    }
}
