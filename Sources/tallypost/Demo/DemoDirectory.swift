import FoundationEssentials
import Glibc

/// Where a demo keeps its databases, configuration and logs. Removed with its contents, unless it is to be kept.
final class DemoDirectory {
    /// Absolute.
    let path: String
    private let isKept: Bool

    /// A new temporary directory, for this user alone.
    init() throws(DemoError) {
        let parent = FileManager.default.temporaryDirectory.path
        var template = Array("\(parent)/tallypost-demo-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw .lastError(of: "mkdtemp in \(parent)") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        isKept = false
    }

    /// The named directory, made when it is not there; refused when it already holds a demo.
    init(keeping name: String) throws(DemoError) {
        let manager = FileManager.default
        let absolute = name.hasPrefix("/") ? name : "\(manager.currentDirectoryPath)/\(name)"
        if manager.fileExists(atPath: "\(absolute)/shop.db") {
            throw .usage("\(absolute) holds the databases of an earlier demo; name another directory")
        }
        do {
            try manager.createDirectory(atPath: absolute, withIntermediateDirectories: true)
        } catch {
            throw .usage("cannot make the directory \(absolute): \(error)")
        }
        path = absolute
        isKept = true
    }

    deinit {
        if !isKept { try? FileManager.default.removeItem(atPath: path) }
    }

    /// The shop's database, which is also the relay's.
    var shopDatabase: String { "\(path)/shop.db" }
    /// The receiver's own.
    var receiverDatabase: String { "\(path)/receiver.db" }
    /// The relay's configuration.
    var configuration: String { "\(path)/tallypost.json5" }
    /// Where the receiver says which ports it listens on.
    var receiverPorts: String { "\(path)/receiver.ports" }
    /// Standard output and error of a process.
    func log(of process: String) -> String { "\(path)/\(process).log" }

    /// Makes a directory below a demo's.
    static func makeDirectory(_ path: String) throws(DemoError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw .process("cannot make \(path): \(error)")
        }
    }

    /// Writes a file whole: under another name first, so that a reader never sees half of it.
    static func write(_ text: String, to path: String) throws(DemoError) {
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw .process("cannot write \(path): \(error)")
        }
    }

    /// The file's text; nil when it is not there.
    static func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The file's last lines, for a message.
    static func tail(of path: String, lines: Int = 8) -> String {
        let all = (read(path) ?? "").split(separator: "\n")
        return all.suffix(lines).map { "    \($0)" }.joined(separator: "\n")
    }
}

extension DemoError {
    /// `errno`, in words.
    static func lastError(of call: String) -> DemoError {
        let code = errno
        return .system(call: call, code: code, message: unsafe String(cString: strerror(code)))
    }
}
