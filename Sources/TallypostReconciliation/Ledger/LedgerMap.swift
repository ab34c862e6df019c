package import TallypostCore

/// What a column of a receiver's ledger means to us.
package enum LedgerColumn: Int, CaseIterable, Sendable {
    /// Our idempotency key, as the receiver kept it.
    case idempotencyKey
    /// Our `subject`.
    case subject
    /// Money.
    case amount
    /// ISO 4217.
    case currency
    /// When the receiver did it.
    case at
    /// How it ended, in the receiver's words.
    case status
    /// The receiver's own name for the row: tells a repeat from the same row in two files.
    case externalID
    /// What several rows have in common.
    case batch
    /// Credit or debit.
    case direction

    /// As a map spells it.
    package var name: String { self == .externalID ? "externalId" : "\(self)" }
}

/// How a receiver's ledger is to be read: a map file, checked.
package struct LedgerMap: Sendable {
    /// How the file is built.
    package enum Format: String, CaseIterable, Sendable {
        /// RFC 4180, with a heading.
        case csv
        /// One JSON object a line.
        case jsonl
    }

    /// Whether amounts are written with a decimal mark or in minor units.
    package enum AmountUnit: String, CaseIterable, Sendable {
        /// `12.34`
        case decimal
        /// `1234`
        case minor
    }

    /// What turns the sign of an amount.
    package enum Sign: Sendable, Equatable {
        /// The same for all rows: 1 or −1.
        case fixed(Int64)
        /// By the word in the column `direction`.
        case words(positive: [String], negative: [String])
    }

    /// How the receiver writes our keys.
    package enum KeyFormat: String, CaseIterable, Sendable {
        /// As it is.
        case bare
        /// As a structured-field string, `"payment-o_1"`: the quotes belong to the value.
        case quoted
    }

    /// Which of our values a row's `batch` names.
    package enum BatchOf: String, CaseIterable, Sendable {
        /// The tasks of one `group_key`: several of ours to one of theirs.
        case group
        /// A task's `subject`: several of theirs, instalments, to one of ours.
        case subject
    }

    /// Whose ledger: it names the rule of its findings, `ledger stripe`.
    package var source: String
    /// Whose findings of this ledger are; empty: nobody is named.
    package var owner = ""
    /// How the file is built.
    package var format = Format.csv
    /// The heading or member that holds each meaning.
    package var columns: [LedgerColumn: String] = [:]
    /// Between two fields.
    package var delimiter = UInt8(ascii: ",")
    /// Decimal or minor units.
    package var amountUnit = AmountUnit.decimal
    /// Minor digits of every currency that ``exponents`` does not name; nil: as ISO 4217 says.
    package var exponent: Int?
    /// Minor digits by currency.
    package var exponents: [String: Int] = [:]
    /// Before the minor digits.
    package var decimalMark = UInt8(ascii: ".")
    /// Between groups of three digits; nil: there are no groups.
    package var groupMark: UInt8?
    /// The sign.
    package var sign = Sign.fixed(1)
    /// The currency of all rows, where no column says it.
    package var currency: String?
    /// Of times without one of their own.
    package var zone = Zone.utc
    /// Its name.
    package var zoneName = "UTC"
    /// How times are written.
    package var timeFormat = LedgerTimeFormat.iso
    /// Words for what was done.
    package var completed = ["completed", "succeeded", "success", "paid", "settled"]
    /// Words for what was tried and not done.
    package var failed = ["failed", "failure", "declined", "rejected"]
    /// Words for what is not over.
    package var ignored: [String] = []
    /// Types of tasks that this ledger is about; empty: all but our own notices.
    package var types: [String] = []
    /// Ours that were completed so shortly before the ledger's end may come in its next one.
    package var lag = TimeSpan.hours(24)
    /// Differences up to this many minor units are told on their own line, and are no finding.
    package var tolerance: [String: Int64] = [:]
    /// How the receiver writes our keys.
    package var keyFormat = KeyFormat.bare
    /// The member of a task's `result` that holds the receiver's name for the row (its `externalId`).
    package var reference: String?
    /// What the column `batch` names.
    package var batchOf = BatchOf.group

    /// With the source alone.
    package init(source: String) { self.source = source }

    /// Whether money is compared.
    package var hasAmounts: Bool { columns[.amount] != nil }
    /// The rule that findings of this ledger come under.
    package var rule: String { "ledger \(source)" }

    /// Minor digits of a currency.
    package func digits(of currency: String) -> Int {
        exponents[currency] ?? exponent ?? CurrencyDigits.of(currency)
    }

    /// What a map must have beyond what each of its members says; nil: nothing is missing.
    package var fault: (path: String, message: String)? {
        func lacks(_ column: LedgerColumn) -> Bool { columns[column] == nil }
        if lacks(.idempotencyKey), lacks(.subject), lacks(.batch), reference == nil {
            return ("columns", "nothing joins the ledger's rows with tasks: name the column of idempotencyKey, subject or batch")
        }
        if lacks(.at) { return ("columns", "has no at: name the column that says when; the ledger's window comes from it") }
        if hasAmounts, lacks(.currency), currency == nil {
            return ("columns", "has amount but no currency: name the column, or write currency: \"EUR\" beside columns")
        }
        if reference != nil, lacks(.externalID) {
            return ("reference", "is compared with the ledger's externalId: name its column")
        }
        if case .words = sign, lacks(.direction) { return ("sign", "goes by words, but columns has no direction") }
        if groupMark == decimalMark { return ("groupMark", "is the decimalMark too; thousands cannot be told from cents") }
        return nil
    }
}

/// Why a ledger was not imported.
package struct LedgerError: Error, Sendable {
    /// What kind of fault it is.
    package enum Kind: Sendable {
        /// The file, or what it is held against.
        case data
        /// No room for the temporary files, or they cannot be written.
        case space
        /// What the database said.
        case database(StoreError)
        /// It was broken off.
        case interrupted
    }

    /// What kind of fault it is.
    package var kind: Kind
    /// What is wrong.
    package var message: String
    /// What mends it.
    package var mend: String?

    /// Memberwise.
    package init(_ kind: Kind, _ message: String, mend: String? = nil) {
        self.kind = kind
        self.message = message
        self.mend = mend
    }
}

extension LedgerError {
    /// Asks the database; what it says becomes one of these.
    static func asking<Result>(_ body: () throws(StoreError) -> Result) throws(LedgerError) -> Result {
        do throws(StoreError) { return try body() } catch { throw LedgerError(.database(error), error.description) }
    }
}

extension LedgerMap {
    /// An amount that a person wrote: `1234.50`, in minor units; nil when it is none, or too fine.
    package static func minorUnits(_ text: String, digits: Int) -> Int128? {
        let bytes = Array(text.utf8)
        let style = LedgerAmount.Style(LedgerMap(source: ""))
        guard case .minor(let minor) = LedgerAmount.read(bytes.span, 0, bytes.count, style: style, digits: digits) else {
            return nil
        }
        return Int128(minor)
    }

    /// A time that a person wrote, in the map's zone unless it has an offset of its own.
    package func time(written text: String) -> Timestamp? {
        guard case .time(let microseconds) = LedgerClock.read(text, zone: zone) else { return nil }
        return Timestamp(microseconds: microseconds)
    }
}

extension LedgerQuarantine {
    /// As a file that a spreadsheet opens: RFC 4180 in UTF-8 with its mark. What would be a formula is given an apostrophe.
    package var csv: String {
        func field(_ text: String) -> String {
            let isFormula = text.utf8.first.map { "=+-@\t\r".utf8.contains($0) } ?? false
            return "\"" + (isFormula ? "'" : "")
                + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
        }
        var csv = "\u{FEFF}line,reason,row\r\n"
        for row in rows { csv += "\(row.line),\(field(row.reason)),\(field(row.text))\r\n" }
        return csv
    }
}
