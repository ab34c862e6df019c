import Glibc
public import TallypostCore

/// The highest tide mark that was seen of a database, kept outside of it.
public struct RememberedTide: Sendable, Equatable {
    /// Of the database.
    public var identity: String
    /// The mark.
    public var mark: Int64
    /// When it was raised, by the database's clock.
    public var at: Timestamp

    /// Memberwise.
    public init(identity: String, mark: Int64, at: Timestamp) {
        self.identity = identity
        self.mark = mark
        self.at = at
    }

    /// One line of a state file.
    var line: String { "tallypost-mark 1 \(identity) \(mark) \(at.microseconds)\n" }

    /// Reads what ``line`` wrote; nil for anything else.
    init?(line: String) {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard words.count == 5, words[0] == "tallypost-mark", words[1] == "1", let mark = Int64(words[3]),
            let at = Int64(words[4])
        else { return nil }
        self.init(identity: String(words[2]), mark: mark, at: Timestamp(microseconds: at))
    }
}

/// Where a relay remembers the tide mark beyond its own life.
public protocol TideMemory {
    /// What was remembered last; nil: nothing, or nothing that can be read.
    func recall() -> RememberedTide?
    /// Remembers it. Nil, or why it could not be.
    func remember(_ tide: RememberedTide) -> String?
}

/// A small state file, replaced whole, so that whoever reads it sees the old line or the new one.
///
/// It is written after the mark was committed, so what it says is never more than what the database holds. It is not flushed: a machine
/// that crashes may lose the last line, and then remembers a little less.
public struct TideFile: TideMemory, Sendable {
    /// Its path.
    public let path: String

    /// - Parameter path: in a folder that is made when it is not there, with those above it.
    public init(path: String) { self.path = path }

    /// Nil for a file that is not there or holds something else.
    public func recall() -> RememberedTide? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return RememberedTide(line: String(decoding: bytes.prefix(max(0, count)), as: UTF8.self))
    }

    /// By a file of this process beside it, and a rename.
    public func remember(_ tide: RememberedTide) -> String? {
        let next = "\(path).\(getpid())"
        var descriptor = unsafe open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        if descriptor < 0, errno == ENOENT {
            makeFolders()
            descriptor = unsafe open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        }
        guard descriptor >= 0 else { return fault(next) }
        let bytes = Array(tide.line.utf8)
        let written = unsafe write(descriptor, bytes, bytes.count)
        close(descriptor)
        guard written == bytes.count else {
            defer { _ = unsafe unlink(next) }
            return fault(next)
        }
        guard unsafe rename(next, path) == 0 else {
            defer { _ = unsafe unlink(next) }
            return fault(path)
        }
        return nil
    }

    private func makeFolders() {
        for index in path.indices where path[index] == "/" && index != path.startIndex {
            _ = unsafe mkdir(String(path[..<index]), 0o700)
        }
    }

    private func fault(_ file: String) -> String { "\(file): \(unsafe String(cString: strerror(errno)))" }
}
