import Glibc
import Synchronization
public import TallypostCore

/// Log lines: one JSON object each for programs, a readable line on a terminal.
///
/// A line is bounded, goes out in one write, holds no secret that can be told by its looks, and the same message is written
/// at most ``LogLimit/perMinute`` times a minute: a fault that repeats for every task cannot fill a disk.
public final class Log: Sendable {
    /// How much it matters. The raw values are syslog's.
    public enum Level: Int, Sendable, CaseIterable, Comparable {
        /// Somebody must act now.
        case critical = 2
        /// Something failed.
        case error = 3
        /// Something is odd.
        case warning = 4
        /// Something happened.
        case info = 6
        /// For those who look into the relay.
        case debug = 7

        /// The word in a line.
        public var word: String { "\(self)" }
        /// The level of that word.
        public init?(word: String) {
            guard let level = Self.allCases.first(where: { $0.word == word }) else { return nil }
            self = level
        }
        /// Whether `a` matters more.
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    /// How a line looks.
    public enum Format: Sendable, Equatable {
        /// A JSON object.
        case json
        /// The same behind syslog's level as `<3>`, which journald takes off and files under PRIORITY.
        case journal
        /// For eyes.
        case terminal
    }

    /// Lines that matter less are not written.
    public let level: Level
    /// How a line looks.
    public let format: Format
    private let write: @Sendable ([UInt8]) -> Void
    private let now: @Sendable () -> Instant
    private let timeOfDay: @Sendable () -> Timestamp
    private let limit = Mutex(LogLimit())

    /// - Parameters:
    ///   - write: gets each line whole, its newline included; calls do not overlap.
    ///   - now: for counting repeats.
    ///   - timeOfDay: for the line's `ts`.
    public init(
        level: Level = .info, format: Format, now: @escaping @Sendable () -> Instant = MonotonicClock.now,
        timeOfDay: @escaping @Sendable () -> Timestamp = MonotonicClock.timeOfDay, write: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.level = level
        self.format = format
        self.now = now
        self.timeOfDay = timeOfDay
        self.write = write
    }

    /// Writes to a descriptor, standard error by default, in the format that suits who reads it.
    public convenience init(level: Level = .info, format: Format? = nil, descriptor: Int32 = 2) {
        self.init(level: level, format: format ?? .suiting(descriptor)) { Self.write($0, to: descriptor) }
    }

    /// Somebody must act now.
    public func critical(_ message: String, _ fields: KeyValuePairs<String, any LogValue> = [:]) {
        log(.critical, message, fields)
    }
    /// Something failed.
    public func error(_ message: String, _ fields: KeyValuePairs<String, any LogValue> = [:]) { log(.error, message, fields) }
    /// Something is odd.
    public func warning(_ message: String, _ fields: KeyValuePairs<String, any LogValue> = [:]) { log(.warning, message, fields) }
    /// Something happened.
    public func info(_ message: String, _ fields: KeyValuePairs<String, any LogValue> = [:]) { log(.info, message, fields) }
    /// For those who look into the relay.
    public func debug(_ message: String, _ fields: KeyValuePairs<String, any LogValue> = [:]) { log(.debug, message, fields) }

    /// Says of every message held back in a minute that is over how often it came. Also done by every line.
    public func reportSuppressed() {
        limit.withLock { limit in
            for line in limit.sweep(at: now()) { writeSuppressed(line) }
        }
    }

    private func log(_ level: Level, _ message: String, _ fields: KeyValuePairs<String, any LogValue>) {
        guard level <= self.level else { return }
        // The write is inside: lines of two threads come out whole and in the order in which they were counted.
        limit.withLock { limit in
            let now = now()
            for line in limit.sweep(at: now) { writeSuppressed(line) }
            guard limit.admits(level, message, at: now) else { return }
            var line = LogLine(format: format, level: level, time: timeOfDay(), message: message)
            for (name, value) in fields { line.append(name, value.logged) }
            write(line.finished())
        }
    }

    private func writeSuppressed(_ suppressed: LogLimit.Suppressed) {
        var line = LogLine(format: format, level: suppressed.level, time: timeOfDay(), message: suppressed.message)
        line.append("suppressed", .integer(Int64(suppressed.count)))
        write(line.finished())
    }

    private static func write(_ line: [UInt8], to descriptor: Int32) {
        var rest = line[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                // Nowhere is left to say it, and a relay does not stop because its log does.
                return
            }
        }
    }
}

extension Log.Format {
    /// journald's where the descriptor is its stream (`$JOURNAL_STREAM` names device and inode), else by terminal or not.
    public static func suiting(_ descriptor: Int32, journalStream: String? = ProcessEnvironment.value("JOURNAL_STREAM"))
        -> Log.Format
    {
        var status = stat()
        if let journalStream, unsafe fstat(descriptor, &status) == 0, journalStream == "\(status.st_dev):\(status.st_ino)" {
            return .journal
        }
        return isatty(descriptor) == 1 ? .terminal : .json
    }
}
