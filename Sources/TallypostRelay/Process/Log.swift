import Glibc
import Synchronization
public import TallypostCore

/// Log lines on standard error: JSON, one object a line; with the priority prefix of sd-daemon(3) when it is the journal; as
/// plain text when it is a terminal. Safe from any thread.
public final class Log: Sendable {
    /// Importance, as syslog counts it.
    public enum Level: Int, Comparable, Sendable {
        case critical = 2
        case error = 3
        case warning = 4
        case info = 6
        case debug = 7
        /// More important ones are smaller.
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
        var word: String {
            switch self {
            case .critical: "critical"
            case .error: "error"
            case .warning: "warning"
            case .info: "info"
            case .debug: "debug"
            }
        }
    }

    /// How lines look.
    public enum Style: Sendable {
        case json
        case journal
        case terminal
    }

    /// Bytes of one value; what is longer is cut, so that no receiver's answer floods the log.
    static let longestValue = 1_024
    /// Lines of one message per minute; the rest is counted and told with the next line that passes.
    static let linesPerMinute = 60

    private let level: Level
    private let style: Style
    private let sink: @Sendable (String) -> Void
    private let clock: @Sendable () -> Instant
    private let seen = Mutex<[String: Seen]>([:])

    private struct Seen {
        var minute: Int64
        var count: Int
        var suppressed: Int
    }

    /// - Parameters:
    ///   - level: what is less important is left out.
    ///   - sink: writes one line, its newline included, whole.
    public init(
        level: Level = .info, style: Style, clock: @escaping @Sendable () -> Instant = { MonotonicClock.now() },
        sink: @escaping @Sendable (String) -> Void = Log.standardError
    ) {
        self.level = level
        self.style = style
        self.clock = clock
        self.sink = sink
    }

    /// What standard error is: the journal when `JOURNAL_STREAM` names its device and inode, a terminal, or neither.
    public static func styleOfStandardError(environment: [String: String]) -> Style {
        var status = stat()
        if let stream = environment["JOURNAL_STREAM"], unsafe fstat(STDERR_FILENO, &status) == 0,
            stream == "\(status.st_dev):\(status.st_ino)"
        {
            return .journal
        }
        return isatty(STDERR_FILENO) == 1 ? .terminal : .json
    }

    /// One write(2) per line, so that lines of several threads do not mix.
    public static let standardError: @Sendable (String) -> Void = { line in
        let bytes = Array(line.utf8)
        _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }

    /// A person must act now.
    public func critical(_ message: String, _ fields: KeyValuePairs<String, String>) { write(.critical, message, fields) }
    /// Something failed.
    public func error(_ message: String, _ fields: KeyValuePairs<String, String>) { write(.error, message, fields) }
    /// Something is odd.
    public func warning(_ message: String, _ fields: KeyValuePairs<String, String>) { write(.warning, message, fields) }
    /// What happens in the ordinary course.
    public func info(_ message: String, _ fields: KeyValuePairs<String, String>) { write(.info, message, fields) }
    /// For finding faults.
    public func debug(_ message: String, _ fields: KeyValuePairs<String, String>) { write(.debug, message, fields) }

    private func write(_ lineLevel: Level, _ message: String, _ fields: KeyValuePairs<String, String>) {
        guard lineLevel <= level, let suppressed = admit(message) else { return }
        var fields = fields.map { ($0.key, String(decoding: $0.value.utf8.prefix(Self.longestValue), as: UTF8.self)) }
        if suppressed > 0 { fields.append(("suppressed_before", String(suppressed))) }
        sink(line(lineLevel, message, fields))
    }

    /// Nil when this message has had its share of the minute; else how many were left out before.
    private func admit(_ message: String) -> Int? {
        let minute = clock().nanoseconds / 60_000_000_000
        return seen.withLock { seen in
            // Messages are literals, but a bound costs nothing.
            if seen.count > 1_000 { seen.removeAll() }
            var entry = seen[message] ?? Seen(minute: minute, count: 0, suppressed: 0)
            if entry.minute != minute { entry = Seen(minute: minute, count: 0, suppressed: entry.suppressed) }
            defer { seen[message] = entry }
            guard entry.count < Self.linesPerMinute else {
                entry.suppressed += 1
                return nil
            }
            entry.count += 1
            defer { entry.suppressed = 0 }
            return entry.suppressed
        }
    }

    private func line(_ level: Level, _ message: String, _ fields: [(String, String)]) -> String {
        switch style {
        case .terminal:
            let facts = fields.map { " \($0.0)=\(Self.printable($0.1))" }.joined()
            return "\(Self.timeOfDay())  \(level.word)  \(message)\(facts)\n"
        case .json, .journal:
            var line = style == .journal ? "<\(level.rawValue)>" : ""
            line += "{\"ts\":\"\(Self.timeOfDay())\",\"level\":\"\(level.word)\",\"msg\":\(ResultText.quoted(message))"
            for (name, value) in fields { line += ",\(ResultText.quoted(name)):\(ResultText.quoted(value))" }
            return line + "}\n"
        }
    }

    /// Control characters would let a receiver's answer paint on the operator's terminal.
    private static func printable(_ text: String) -> String {
        let clean = String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "?" : $0 }))
        return clean.contains(" ") || clean.isEmpty ? "\"\(clean)\"" : clean
    }

    private static func timeOfDay() -> String {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000).iso8601
    }
}
