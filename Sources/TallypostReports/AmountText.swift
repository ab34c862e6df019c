import TallypostReconciliation

/// Exact amounts as text: integers of minor units and the currency's digits behind the point (JPY 0, EUR 2, KWD 3). No floating point.
package enum AmountText {
    /// What a file has: `-1234.50`, no separators.
    package static func plain(_ minor: Int128, digits: Int) -> String {
        CurrencyDigits.decimal(minor, digits: digits)
    }

    /// What people read: `-1,234.50`.
    package static func grouped(_ minor: Int128, digits: Int) -> String {
        let parts = plain(minor, digits: digits).split(separator: ".", maxSplits: 1)
        var whole = parts[0].hasPrefix("-") ? parts[0].dropFirst() : parts[0]
        var groups: [Substring] = []
        while whole.count > 3 {
            groups.insert(whole.suffix(3), at: 0)
            whole = whole.dropLast(3)
        }
        groups.insert(whole, at: 0)
        let sign = minor < 0 ? "-" : ""
        return sign + groups.joined(separator: ",") + (parts.count == 2 ? "." + parts[1] : "")
    }

    /// The minor units that ``plain(_:digits:)`` was made of; nil for any other spelling.
    package static func parse(_ text: some StringProtocol, digits: Int) -> Int128? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == (digits > 0 ? 2 : 1), digits == 0 || parts[1].utf8.count == digits else { return nil }
        guard let minor = Int128(parts.joined()), plain(minor, digits: digits) == text else { return nil }
        return minor
    }
}
