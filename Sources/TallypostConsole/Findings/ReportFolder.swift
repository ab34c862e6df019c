import CCrypto
import Glibc
import TallypostCore

/// The folder that a report was written to. What is served of it is what its manifest lists, and only while it is what was written.
struct ReportFolder {
    /// Why a file is not served.
    enum Fault: Error, Equatable {
        /// The folder or the file is not there.
        case missing(String)
        /// It is there, and is not what was written.
        case altered(String)
    }

    /// A file that the manifest lists.
    struct Entry: Equatable {
        var name: String
        /// Hex.
        var sha256: String
    }

    /// The manifest's own file name.
    let manifestName: String
    /// What it lists, in its order.
    let entries: [Entry]
    private let path: String

    /// Bytes of a manifest that are read at most.
    static let longestManifest = 4 << 20

    /// Finds the manifest by its digest: whatever else a folder holds is of other reports.
    init(_ report: String, manifestSHA256: String) throws(Fault) {
        path = report
        let names = Self.names(in: report).filter { $0.hasSuffix("manifest.json") }
        guard !names.isEmpty else { throw .missing("no manifest is in \(report); were the report's files moved?") }
        for name in names {
            guard let file = OpenFile("\(report)/\(name)"), file.size <= Self.longestManifest, let bytes = file.bytes(),
                Self.hex(SHA256Stream.digest(bytes)) == manifestSHA256.lowercased()
            else { continue }
            guard let files = JSONSource(bytes)?.members?.first(where: { $0.name == "files" })?.value.elements else {
                throw .altered("\(name) lists no files")
            }
            entries = files.compactMap(Self.entry)
            manifestName = name
            return
        }
        throw .altered("the manifest in \(report) is not the one that was written; run tallypost verify on it")
    }

    /// Opens one of them, once its digest has been found right.
    func open(_ name: String) throws(Fault) -> OpenFile {
        let isManifest = name == manifestName || name == "manifest.json"
        let listed = entries.first { $0.name == name }
        guard isManifest || listed != nil else { throw .missing("the report has no file of this name") }
        let onDisk = isManifest ? manifestName : name
        // The manifest is ours, and so are its names; a slash in one would still lead elsewhere.
        guard !onDisk.contains("/"), onDisk != ".", onDisk != "..", let file = OpenFile("\(path)/\(onDisk)") else {
            throw .missing("\(onDisk) is not in \(path) any more")
        }
        if let listed {
            guard let digest = file.sha256(), Self.hex(digest) == listed.sha256.lowercased() else {
                throw .altered("\(onDisk) is not what was written; run tallypost verify on \(manifestName)")
            }
        }
        return file
    }

    private static func entry(_ source: JSONSource) -> Entry? {
        guard let members = source.members else { return nil }
        func text(_ name: String) -> String? { members.first { $0.name == name }?.value.string }
        guard let name = text("name"), let sha256 = text("sha256") else { return nil }
        return Entry(name: name, sha256: sha256)
    }

    private static func names(in folder: String) -> [String] {
        guard let stream = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            names.append(name)
        }
        return names.sorted()
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

/// A regular file, open for reading; closed when nobody has it any more.
final class OpenFile: Sendable, Equatable {
    let descriptor: Int32
    /// Bytes.
    let size: Int

    /// Nil when it is not there, is no regular file, or is a link.
    init?(_ path: String) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// All of it; nil when it cannot be read whole.
    func bytes() -> [UInt8]? {
        var all: [UInt8] = []
        all.reserveCapacity(size)
        let isRead = unsafe forEachPiece { unsafe all.append(contentsOf: $0) }
        return isRead && all.count == size ? all : nil
    }

    /// Its digest; nil when it cannot be read.
    func sha256() -> [UInt8]? {
        let stream = SHA256Stream()
        let isRead = unsafe forEachPiece { unsafe stream.update($0) }
        return isRead ? stream.finish() : nil
    }

    private func forEachPiece(_ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var offset = 0
        while true {
            let count = unsafe pread(descriptor, &buffer, buffer.count, offset)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return false }
            if count == 0 { return true }
            unsafe buffer.withUnsafeBytes { unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            offset += count
        }
    }

    static func == (a: OpenFile, b: OpenFile) -> Bool { a === b }
}

/// SHA-256 of what comes in pieces, by libcrypto.
@safe final class SHA256Stream {
    private let context = unsafe EVP_MD_CTX_new()

    init() { _ = unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) }

    deinit { unsafe EVP_MD_CTX_free(context) }

    func update(_ piece: UnsafeRawBufferPointer) { _ = unsafe EVP_DigestUpdate(context, piece.baseAddress, piece.count) }

    func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        _ = unsafe EVP_DigestFinal_ex(context, &digest, nil)
        return digest
    }

    static func digest(_ bytes: [UInt8]) -> [UInt8] {
        let stream = SHA256Stream()
        unsafe bytes.withUnsafeBytes { unsafe stream.update($0) }
        return stream.finish()
    }
}
