import TallypostCore
import TallypostRelay

/// How far something has come, on one line of standard error that is written over; nothing where nobody looks.
struct ProgressLine {
    private let errors: OutputWriter
    private let what: String
    private var shown: Instant?
    private var isShown = false
    private let start = MonotonicClock.now()

    /// - Parameter what: as in “40,000 tasks read”.
    init(_ context: CommandContext, _ what: String) {
        errors = context.errors
        self.what = what
    }

    /// So many by now. At most five times a second.
    mutating func show(_ count: Int64) {
        guard errors.isTerminal else { return }
        let now = MonotonicClock.now()
        if let shown, now - shown < .milliseconds(200) { return }
        shown = now
        isShown = true
        errors.write("\r\u{1B}[K\(Self.grouped(count)) \(what), \((now - start).spoken)")
        errors.flush()
    }

    /// With a comma at every third place.
    private static func grouped(_ count: Int64) -> String {
        var text = ""
        for (place, digit) in String(count).reversed().enumerated() {
            if place > 0, place.isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    /// Takes the line away.
    mutating func clear() {
        guard isShown else { return }
        errors.write("\r\u{1B}[K")
        errors.flush()
        isShown = false
    }
}
