import TallypostCore

extension TimeSpan {
    /// For people, in the two largest units: `850 ms`, `42 s`, `5 min 3 s`, `2 h 10 min`, `4 d 1 h`.
    var spoken: String {
        if nanoseconds < 0 { return "-" + TimeSpan(nanoseconds: nanoseconds == .min ? .max : -nanoseconds).spoken }
        let milliseconds = self.milliseconds
        if milliseconds < 1_000 { return "\(milliseconds) ms" }
        let seconds = milliseconds / 1_000
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3_600: return Self.join(seconds / 60, "min", seconds % 60, "s")
        case ..<86_400: return Self.join(seconds / 3_600, "h", seconds % 3_600 / 60, "min")
        default: return Self.join(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h")
        }
    }

    private static func join(_ large: Int64, _ largeUnit: String, _ small: Int64, _ smallUnit: String) -> String {
        small == 0 ? "\(large) \(largeUnit)" : "\(large) \(largeUnit) \(small) \(smallUnit)"
    }
}
