/// The tide mark of a database, and what keeps relays from sending.
///
/// The mark only rises: relays raise it every few seconds while they write, and remember it outside of the database. A database that
/// shows a lower one than somebody remembers went back in time: it was restored from a backup, or a standby without the last commits
/// has taken over.
public struct Tide: Sendable, Equatable {
    /// Of this database and of every copy of it; another one made in its place has another.
    public var identity: String
    /// The mark.
    public var mark: Int64
    /// When it was last raised, by the database's clock.
    public var at: Timestamp
    /// What keeps relays from sending; nil: nothing does.
    public var hold: DispatchHold?

    /// Memberwise.
    public init(identity: String, mark: Int64, at: Timestamp, hold: DispatchHold?) {
        self.identity = identity
        self.mark = mark
        self.at = at
        self.hold = hold
    }

    /// Marks of one era; a hold that is lifted begins the next, which lies beyond whatever any relay remembers of this one.
    public static let era: Int64 = 1_000_000_000

    /// Where the mark is put when a hold is lifted: beyond both, and beyond every mark that can have been raised from them.
    public static func eraBeyond(_ mark: Int64, _ other: Int64) -> Int64 { (max(mark, other, 0) / era + 1) * era }
}

/// Why no relay sends: a row of `tallypost_holds`.
public struct DispatchHold: Sendable, Equatable {
    /// `name`: ``restore``.
    public var name: String
    /// Since when; nil: not written yet.
    public var since: Timestamp?
    /// For a person.
    public var reason: String
    /// The mark that somebody remembers; nil: a person set the hold.
    public var remembered: Int64?
    /// When that mark was raised: what the database held then, it may hold no more.
    public var rememberedAt: Timestamp?

    /// The name of the hold after a restore.
    public static let restore = "restore"

    /// Memberwise.
    public init(
        name: String = DispatchHold.restore, since: Timestamp? = nil, reason: String, remembered: Int64? = nil,
        rememberedAt: Timestamp? = nil
    ) {
        self.name = name
        self.since = since
        self.reason = reason
        self.remembered = remembered
        self.rememberedAt = rememberedAt
    }

    /// `detail`: a line of JSON. By hand: the core knows no Foundation. Times are microseconds since 1970.
    public var detail: String {
        let members = [("remembered", remembered), ("rememberedAt", rememberedAt?.microseconds)]
        return "{\(members.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }.joined(separator: ","))}"
    }

    /// Reads what ``detail`` wrote; a text that is something else says nothing.
    public mutating func read(detail: String) {
        func number(_ name: String) -> Int64? {
            guard let start = detail.end(of: "\"\(name)\":") else { return nil }
            return Int64(detail[start...].prefix { $0 == "-" || $0.isNumber })
        }
        remembered = number("remembered")
        rememberedAt = number("rememberedAt").map { Timestamp(microseconds: $0) }
    }
}

extension String {
    /// Where the text goes on behind `other`; nil: it is not in it.
    fileprivate func end(of other: String) -> String.Index? {
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(other) { return rest.index(rest.startIndex, offsetBy: other.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}

/// How many tasks of a type and currency have not ended, and their amounts together.
public struct OpenTally: Sendable, Equatable {
    /// The type.
    public var type: String
    /// ISO 4217; nil: without money.
    public var currency: String?
    /// How many.
    public var count: Int64
    /// In minor units; a sum of 64-bit numbers needs more than 64 bits.
    public var amount: Int128

    /// Memberwise.
    public init(type: String, currency: String?, count: Int64, amount: Int128) {
        self.type = type
        self.currency = currency
        self.count = count
        self.amount = amount
    }
}
