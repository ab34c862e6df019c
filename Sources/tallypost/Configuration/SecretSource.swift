import Glibc

/// Where a secret is, never what it is: `credential:NAME`, `file:PATH`, `env:NAME`.
enum SecretSource: Sendable, Equatable {
    case credential(String)
    case file(String)
    case environment(String)

    /// Why a secret cannot be had. The reason holds nothing of it.
    struct Failure: Error, Equatable {
        let reason: String
    }

    /// A file larger than this is no secret.
    static let longest = 1 << 20

    init(parsing text: String) throws(Failure) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[1].isEmpty else { throw Self.notNamed }
        switch parts[0] {
        case "credential":
            guard !parts[1].contains("/"), parts[1] != ".." else { throw Failure(reason: "a credential's name has no slash") }
            self = .credential(parts[1])
        case "file": self = .file(parts[1])
        case "env": self = .environment(parts[1])
        default: throw Self.notNamed
        }
    }

    private static let notNamed = Failure(
        reason: "a secret is named, not written: \"credential:NAME\" (systemd), \"file:PATH\" or \"env:NAME\"")

    /// Reads it, without the line's end that editors leave behind it.
    func resolve(environment: [String: String]) throws(Failure) -> String {
        switch self {
        case .credential(let name):
            guard let directory = environment["CREDENTIALS_DIRECTORY"] else {
                throw Failure(
                    reason:
                        "credential \"\(name)\": no credentials were passed; add LoadCredential=\(name):/path to the systemd unit"
                )
            }
            return try Self.read(
                "\(directory)/\(name)", "credential \"\(name)\"", "add LoadCredential=\(name):/path to the systemd unit")
        case .file(let path): return try Self.read(path, path, "create it, readable by this user only")
        case .environment(let name):
            guard let value = environment[name], !value.isEmpty else {
                throw Failure(reason: "environment variable \(name) is not set; set it, or use credential: or file:")
            }
            return value
        }
    }

    private static func read(_ path: String, _ name: String, _ mend: String) throws(Failure) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(reason: "\(name): \(unsafe String(cString: strerror(errno))); \(mend)")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            guard count >= 0 else { throw Failure(reason: "\(name): \(unsafe String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes.append(contentsOf: chunk.prefix(count))
            guard bytes.count <= longest else { throw Failure(reason: "\(name): longer than 1 MiB, so it is no secret") }
        }
        while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
        guard !bytes.isEmpty else { throw Failure(reason: "\(name): empty; \(mend)") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
