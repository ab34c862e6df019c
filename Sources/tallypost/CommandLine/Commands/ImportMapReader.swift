import FoundationEssentials
import TallypostCore
import TallypostReconciliation

/// Reads a map file (JSON5) and tells all that is wrong with it at once.
struct ImportMapReader {
    private static let keys = [
        "source", "format", "columns", "delimiter", "amountIn", "exponent", "decimalMark", "groupMark", "sign", "currency",
        "zone",
        "timeFormat", "outcomes", "types", "lag", "tolerance", "keyFormat", "reference", "batchOf",
        "owner",
    ]

    private var zones = ZoneDirectory()

    /// The map in a file.
    func map(at file: String) throws(CommandFailure) -> LedgerMap {
        let text: JSON5File
        do { text = try JSON5File(reading: file, option: "--map") } catch {
            throw CommandFailure(.badData, "\(error)", mend: "tallypost import --help shows a map")
        }
        let reader = ConfigurationReader(file: file, lines: text.lines)
        let map = read(ConfigurationNode(value: text.tree, path: "", reader: reader))
        if reader.problems.isEmpty, let fault = map?.fault { reader.report(fault.path, fault.message) }
        guard reader.problems.isEmpty, let map else {
            let problems = ConfigurationError(problems: reader.problems.sorted { ($0.line ?? 0) < ($1.line ?? 0) })
            throw CommandFailure(.badData, "\(problems)", mend: "tallypost import --help shows a map")
        }
        return map
    }

    private func read(_ node: ConfigurationNode) -> LedgerMap? {
        guard let fields = node.fields(Self.keys) else { return nil }
        guard let named = fields["source"] else {
            node.report("has no source: add the receiver's name, source: \"stripe\"")
            return nil
        }
        guard let source = named.string("the receiver's name") else { return nil }
        if source.isEmpty || source.utf8.count > 100 { named.report("must have 1 to 100 bytes") }
        var map = LedgerMap(source: source)
        if let format = fields["format"]?.word(LedgerMap.Format.self) { map.format = format }
        readColumns(fields, &map)
        readMarks(fields, &map)
        readMoney(fields, &map)
        readTimes(fields, &map)
        if let outcomes = fields["outcomes"]?.fields(["completed", "failed", "ignore"]) {
            map.completed = outcomes["completed"].flatMap(words) ?? []
            map.failed = outcomes["failed"].flatMap(words) ?? []
            map.ignored = outcomes["ignore"].flatMap(words) ?? []
            if map.completed.isEmpty { fields["outcomes"]?.report("has no word for completed: no row would ever count") }
        }
        if let owner = fields["owner"]?.string("a name") { map.owner = owner }
        if let types = fields["types"] { map.types = words(types) ?? [] }
        if let format = fields["keyFormat"]?.word(LedgerMap.KeyFormat.self) { map.keyFormat = format }
        if let reference = fields["reference"] { map.reference = reference.string("a member of the receiver's JSON answer") }
        if let batch = fields["batchOf"]?.word(LedgerMap.BatchOf.self) { map.batchOf = batch }
        if map.columns[.batch] != nil, !map.hasAmounts {
            fields["columns"]?.report("has a batch but no amount: sums are what a batch is matched by")
        }
        return map
    }

    private func readColumns(_ fields: ConfigurationFields, _ map: inout LedgerMap) {
        guard let columns = fields["columns"] else {
            fields.node.report(
                "has no columns: say which heading means what, columns: { idempotencyKey: \"key\", at: \"created\" }")
            return
        }
        guard let named = columns.fields(LedgerColumn.allCases.map(\.name)) else { return }
        for column in LedgerColumn.allCases {
            if let name = named[column.name]?.string("a heading of the file") { map.columns[column] = name }
        }
    }

    private func readMarks(_ fields: ConfigurationFields, _ map: inout LedgerMap) {
        func mark(_ name: String) -> UInt8? {
            guard let node = fields[name], let text = node.string("one character") else { return nil }
            guard text.utf8.count == 1, let byte = text.utf8.first, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\n") else {
                node.report("\"\(text)\" must be one ASCII character")
                return nil
            }
            return byte
        }
        if let delimiter = mark("delimiter") { map.delimiter = delimiter }
        if let decimal = mark("decimalMark") {
            map.decimalMark = decimal
            if ![UInt8(ascii: "."), UInt8(ascii: ",")].contains(decimal) {
                fields["decimalMark"]?.report("must be \".\" or \",\"")
            }
        }
        map.groupMark = mark("groupMark")
    }

    private func readMoney(_ fields: ConfigurationFields, _ map: inout LedgerMap) {
        if let unit = fields["amountIn"]?.word(LedgerMap.AmountUnit.self) { map.amountUnit = unit }
        if let exponent = fields["exponent"] {
            if case .object = exponent.value {
                for (currency, node) in exponent.members() ?? [] { map.exponents[currency] = node.integer(0...8) }
            } else {
                map.exponent = exponent.integer(0...8)
            }
        }
        if let currency = fields["currency"], let text = currency.string("a currency's code") {
            map.currency = text
            if text.utf8.count != 3 || !text.utf8.allSatisfy({ $0 &- 65 < 26 }) {
                currency.report("\"\(text)\" must be three capital letters, as ISO 4217 has them: \"EUR\"")
            }
        }
        if let sign = fields["sign"] {
            switch sign.value {
            case .integer(let number) where number == 1 || number == -1: map.sign = .fixed(number)
            case .object:
                let lists = sign.fields(["positive", "negative"])
                map.sign = .words(
                    positive: lists?["positive"].flatMap(words) ?? [], negative: lists?["negative"].flatMap(words) ?? [])
            default: sign.report("must be 1, -1, or the words of the column direction: { positive: [\"C\"], negative: [\"D\"] }")
            }
        }
        for (currency, node) in fields["tolerance"]?.members() ?? [] {
            guard let text = node.string("an amount such as \"0.05\"") else { continue }
            guard let minor = LedgerMap.minorUnits(text, digits: map.digits(of: currency)), minor >= 0, minor <= Int64.max else {
                node.report("\"\(text)\" is no amount of \(currency), which has \(map.digits(of: currency)) decimals")
                continue
            }
            map.tolerance[currency] = Int64(minor)
        }
    }

    private func readTimes(_ fields: ConfigurationFields, _ map: inout LedgerMap) {
        if let zone = fields["zone"], let name = zone.string("a time zone such as \"Europe/London\"") {
            do throws(ScheduleError) {
                map.zone = try zones.zone(name)
                map.zoneName = name
            } catch { zone.report("\"\(name)\": \(error.reason)") }
        }
        if let format = fields["timeFormat"], let text = format.string("how times are written") {
            if let known = LedgerTimeFormat(configured: text) {
                map.timeFormat = known
            } else {
                format.report(
                    "\"\(text)\" is none of \"iso\", \"unix\", \"unix-ms\", or a pattern such as \"DD.MM.YYYY HH:mm:ss\"")
            }
        }
        if let lag = fields["lag"]?.duration() { map.lag = lag }
    }

    private func words(_ node: ConfigurationNode) -> [String]? { node.list()?.compactMap { $0.string("a word") } }
}
