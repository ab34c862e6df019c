import TallypostCore

/// The header by which a receiver says when to come again (RFC 9110, section 10.2.3).
enum RetryAfter {
    /// Seconds, or a date. A date is measured from the answer's own `Date`, so that a receiver whose clock is wrong is still
    /// understood; from our clock where there is none. What is past is zero; what is neither form is nil.
    ///
    /// - Parameter now: seconds since 1970.
    static func span(_ value: String, date: String?, now: Int64) -> TimeSpan? {
        let text = trimmed(value)
        if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return .seconds(Int64(text) ?? .max)
        }
        guard let until = HTTPDate(parsing: text, now: now) else { return nil }
        let from = date.flatMap { HTTPDate(parsing: trimmed($0), now: now) }?.seconds ?? now
        return .seconds(max(0, until.seconds - from))
    }

    private static func trimmed(_ text: String) -> Substring {
        var rest = Substring(text)
        while rest.first == " " || rest.first == "\t" { rest.removeFirst() }
        while rest.last == " " || rest.last == "\t" { rest.removeLast() }
        return rest
    }
}
