import CLinux
import Glibc
import TallypostCore

/// Hints that somebody wrote to the database: inotify on the directory, because watching (or opening) the files themselves
/// is dangerous and the write-ahead log comes and goes.
final class DirectoryWatch {
    /// Readable when something happened in the directory.
    let descriptor: Int32
    /// Names whose writes are hints.
    private let names: [[UInt8]]

    /// Nil when there can be no watch: the directory is unreadable, or the user's watches are used up.
    init?(databaseFile path: String) {
        let bytes = Array(path.utf8)
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        let name = Array(bytes[(slash + 1)...])
        // In WAL mode every commit writes the log.
        names = [name + Array("-wal".utf8)]
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        let directory = slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
        let events = UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO)
        if unsafe inotify_add_watch(descriptor, directory, events) < 0 {
            Glibc.close(descriptor)
            return nil
        }
    }

    deinit { Glibc.close(descriptor) }

    /// Takes every event that is there; true when one of them concerns the database.
    func drain() -> Bool {
        var isHint = false
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return isHint }
            if concernsDatabase(buffer[..<count]) { isHint = true }
        }
    }

    /// Walks `struct inotify_event`s: wd, mask, cookie, len (four bytes each), then a name padded with zeros.
    private func concernsDatabase(_ events: ArraySlice<UInt8>) -> Bool {
        var start = 0
        while start + 16 <= events.count {
            func word(_ offset: Int) -> UInt32 {
                (0..<4).reduce(0) { $0 | UInt32(events[start + offset + $1]) << UInt32(8 * $1) }
            }
            let length = Int(word(12))
            if word(4) & UInt32(IN_Q_OVERFLOW) != 0 { return true }
            let end = min(start + 16 + length, events.count)
            let name = events[(start + 16)..<end].prefix { $0 != 0 }
            if names.contains(where: { name.elementsEqual($0) }) { return true }
            start = end
        }
        return false
    }
}
