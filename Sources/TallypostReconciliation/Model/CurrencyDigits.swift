/// How many digits the minor unit of a currency has.
package enum CurrencyDigits {
    /// ISO 4217, list one (2024): those that have other than two.
    private static let others: [String: Int] = [
        "BHD": 3, "BIF": 0, "CLF": 4, "CLP": 0, "DJF": 0, "GNF": 0, "IQD": 3, "ISK": 0, "JOD": 3, "JPY": 0, "KMF": 0, "KRW": 0,
        "KWD": 3, "LYD": 3, "OMR": 3, "PYG": 0, "RWF": 0, "TND": 3, "UGX": 0, "UYI": 0, "UYW": 4, "VND": 0, "VUV": 0, "XAF": 0,
        "XOF": 0, "XPF": 0,
    ]

    /// JPY 0, EUR 2, KWD 3. What ISO 4217 does not have counts as two, unless `configured` says otherwise.
    package static func of(_ currency: String, configured: [String: Int] = [:]) -> Int {
        configured[currency] ?? others[currency] ?? 2
    }

    /// An amount of minor units as people write it, without separators: `1234.50`, `-0.05`, `1234` for a currency without digits.
    package static func decimal(_ amount: Int128, digits: Int) -> String {
        guard digits > 0 else { return String(amount) }
        let plain = String(amount.magnitude)
        let padded = String(repeating: "0", count: max(0, digits + 1 - plain.count)) + plain
        return (amount < 0 ? "-" : "") + padded.dropLast(digits) + "." + padded.suffix(digits)
    }
}
