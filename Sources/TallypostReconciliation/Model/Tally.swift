/// How many, and how much: exact integers. Amounts are in minor units of one currency; sums of 64-bit amounts need more than 64 bits.
package struct Tally: Sendable, Equatable, Hashable {
    /// How many.
    package var count: Int64
    /// Their amounts together, in minor units.
    package var amount: Int128

    /// Nothing.
    package static let zero = Tally(count: 0, amount: 0)

    /// Memberwise.
    package init(count: Int64, amount: Int128) {
        self.count = count
        self.amount = amount
    }

    /// One row; a row without an amount counts 0.
    package init(one amount: Int64?) { self.init(count: 1, amount: Int128(amount ?? 0)) }

    /// Whether both are 0.
    package var isZero: Bool { self == .zero }

    /// Sum.
    package static func + (a: Tally, b: Tally) -> Tally { Tally(count: a.count + b.count, amount: a.amount + b.amount) }
    /// Difference.
    package static func - (a: Tally, b: Tally) -> Tally { Tally(count: a.count - b.count, amount: a.amount - b.amount) }
    /// Sum.
    package static func += (a: inout Tally, b: Tally) { a = a + b }
    /// Difference.
    package static func -= (a: inout Tally, b: Tally) { a = a - b }
    /// The opposite.
    package static prefix func - (a: Tally) -> Tally { .zero - a }
}

/// What is added up apart: a type of task and a currency. There is no total over currencies.
package struct Series: Sendable, Hashable, Comparable {
    /// `type`.
    package var type: String
    /// `currency`; nil: rows without money.
    package var currency: String?

    /// Memberwise.
    package init(type: String, currency: String?) {
        self.type = type
        self.currency = currency
    }

    /// By type, then by currency; without money first.
    package static func < (a: Series, b: Series) -> Bool { (a.type, a.currency ?? "") < (b.type, b.currency ?? "") }
}
