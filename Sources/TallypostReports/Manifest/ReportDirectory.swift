import Glibc

/// Where a report's files lie: written whole or not at all, and never over another.
package enum ReportDirectory {
    /// Writes a new report: beside its place first, and renamed when everything is on the disk.
    ///
    /// - Parameter directory: must not be there; the directory above it is made.
    package static func write(_ files: [ReportFile], into directory: String) throws(ReportFailure) {
        for file in files { try check(file.name) }
        guard Set(files.map(\.name)).count == files.count else { throw ReportFailure("two files of the report have one name") }
        guard unsafe access(directory, F_OK) != 0 else { throw taken(directory) }
        let (above, own) = split(directory)
        try makeDirectories(above)
        let temporary = "\(above)/.\(own).\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        guard unsafe mkdir(temporary, 0o750) == 0 else { throw failure("cannot make", temporary) }
        do throws(ReportFailure) {
            for file in files { try write(file.bytes, to: "\(temporary)/\(file.name)") }
            try sync(temporary)
            // rename(2) replaces an empty directory alone: a report that is there stays.
            guard unsafe rename(temporary, directory) == 0 else {
                throw errno == ENOTEMPTY || errno == EEXIST ? taken(directory) : failure("cannot rename to", directory)
            }
            try sync(above)
        } catch {
            for file in files { _ = unsafe unlink("\(temporary)/\(file.name)") }
            _ = unsafe rmdir(temporary)
            throw error
        }
    }

    /// Adds a sign-off to a report that is there; a role signs once.
    package static func add(_ file: ReportFile, to directory: String) throws(ReportFailure) {
        try check(file.name)
        let temporary = "\(directory)/.\(file.name).\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try write(file.bytes, to: temporary)
        defer { _ = unsafe unlink(temporary) }
        guard unsafe link(temporary, "\(directory)/\(file.name)") == 0 else {
            throw errno == EEXIST
                ? ReportFailure("\(file.name) is there already") : failure("cannot write", "\(directory)/\(file.name)")
        }
        try sync(directory)
    }

    /// Whether a manifest may name it: a plain name in the report's own directory.
    static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.hasPrefix(".") && name.utf8.count <= 255
            && name.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") && $0 >= 0x20 && $0 != 0x7F }
    }

    /// A file's bytes; nil when it is not there. No link is followed: a report is what lies in its directory.
    static func read(_ path: String, follows: Bool = false) throws(ReportFailure) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follows ? 0 : O_NOFOLLOW))
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw errno == ELOOP ? ReportFailure("\(path) is a link, not a file") : failure("cannot read", path)
        }
        defer { close(descriptor) }
        var facts = stat()
        guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw ReportFailure("\(path) is no plain file")
        }
        var bytes = [UInt8](repeating: 0, count: Int(facts.st_size))
        var filled = 0
        while filled < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes {
                unsafe Glibc.read(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled)
            }
            if count > 0 {
                filled += count
            } else if count == 0 {
                break
            } else if errno != EINTR {
                throw failure("cannot read", path)
            }
        }
        return Array(bytes[..<filled])
    }

    /// The names in a directory, sorted.
    static func list(_ directory: String) throws(ReportFailure) -> [String] {
        guard let stream = unsafe opendir(directory) else { throw failure("cannot list", directory) }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The directory above, and the last part of the name.
    static func split(_ path: String) -> (above: String, own: String) {
        var path = path[...]
        while path.count > 1, path.last == "/" { path = path.dropLast() }
        guard let slash = path.lastIndex(of: "/") else { return (".", String(path)) }
        let above = path[..<slash]
        return (above.isEmpty ? "/" : String(above), String(path[path.index(after: slash)...]))
    }

    private static func check(_ name: String) throws(ReportFailure) {
        guard isPlain(name) else { throw ReportFailure("“\(Wording.line(name))” is no name for a file of a report") }
    }

    private static func taken(_ directory: String) -> ReportFailure {
        ReportFailure("\(directory) is there already", mend: "a report is never written over: make the next revision")
    }

    private static func failure(_ what: String, _ path: String) -> ReportFailure {
        let code = errno
        return ReportFailure("\(what) \(path): \(unsafe String(cString: strerror(code)))", mend: mend(for: code))
    }

    static func mend(for code: Int32) -> String? {
        switch code {
        case ENOSPC, EDQUOT: "make room on that disk; nothing of the report is left there, and it can be written again"
        case EACCES, EPERM, EROFS: "let the user that runs tallypost do that, or name another directory"
        default: nil
        }
    }

    private static func makeDirectories(_ path: String) throws(ReportFailure) {
        guard unsafe access(path, F_OK) != 0 else { return }
        try makeDirectories(split(path).above)
        guard unsafe mkdir(path, 0o750) == 0 || errno == EEXIST else { throw failure("cannot make", path) }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(ReportFailure) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw failure("cannot make", path) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { throw failure("cannot write", path) }
        }
        guard fsync(descriptor) == 0 else { throw failure("cannot write", path) }
    }

    private static func sync(_ directory: String) throws(ReportFailure) {
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot open", directory) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("cannot write", directory) }
    }
}
