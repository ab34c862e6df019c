import TallypostCore

/// Counts repeats of log messages: the same level and message (fields set aside) pass so many times a minute.
struct LogLimit: Sendable {
    /// How often a message was held back in a minute that is over.
    struct Suppressed: Sendable, Equatable {
        var level: Log.Level
        var message: String
        var count: Int
    }

    private struct Key: Hashable { var level: Log.Level, message: String }
    private struct Window { var start: Instant, count: Int }

    static let perMinute = 20
    /// Messages are few and constant; what makes them many is a defect, which may cost lines but no memory.
    static let mostMessages = 256
    private static let length = TimeSpan.seconds(60)

    private var windows: [Key: Window] = [:]
    private var nextSweep = Instant(nanoseconds: .min)

    /// Whether the message may be written now.
    mutating func admits(_ level: Log.Level, _ message: String, at now: Instant) -> Bool {
        var key = Key(level: level, message: message)
        if windows[key] == nil, windows.count >= Self.mostMessages { key.message = "other messages" }
        var window = windows[key] ?? Window(start: now, count: 0)
        window.count += 1
        windows[key] = window
        if windows.count == 1 { nextSweep = now + Self.length }
        return window.count <= Self.perMinute
    }

    /// Forgets minutes that are over, and returns what was held back in them.
    mutating func sweep(at now: Instant) -> [Suppressed] {
        guard now >= nextSweep, !windows.isEmpty else { return [] }
        var suppressed: [Suppressed] = []
        var next = Instant.distantFuture
        for (key, window) in windows {
            let end = window.start + Self.length
            if end > now {
                next = min(next, end)
                continue
            }
            windows[key] = nil
            let count = window.count - Self.perMinute
            if count > 0 { suppressed.append(Suppressed(level: key.level, message: key.message, count: count)) }
        }
        nextSweep = next
        return suppressed.sorted { $0.message < $1.message }
    }
}
