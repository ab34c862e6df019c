import TallypostCore

/// A JSON value as text: what `json_each` and `json_to_recordset` take apart, and what rows keep.
struct JSONText {
    /// As it is written.
    let text: String

    /// null for none. NUL, which no database's text holds, is replaced.
    static func text(_ text: String?) -> JSONText {
        guard let text else { return .null }
        return JSONText(
            text: ResultText.quoted(
                text.utf8.contains(0) ? String(text.unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : Character($0) }) : text))
    }

    /// null for none.
    static func number(_ number: Int64?) -> JSONText { number.map { JSONText(text: String($0)) } ?? .null }

    static let null = JSONText(text: "null")

    /// As the engine keeps times: to the millisecond on SQLite, to the microsecond on PostgreSQL. null for none.
    static func time(_ time: Timestamp?, _ dialect: SQLDialect) -> JSONText {
        guard let time else { return .null }
        let kept = Timestamp(microseconds: min(max(time.microseconds, -62_135_596_800_000_000), 253_402_300_799_999_999))
        let text = kept.iso8601
        guard dialect == .postgres else { return .text(text) }
        let rest = kept.microseconds % 1_000
        let micros = rest < 0 ? rest + 1_000 : rest
        return .text(text.dropLast() + String(1_000 + micros).dropFirst() + "Z")
    }

    static func object(_ members: [(String, JSONText)]) -> JSONText {
        JSONText(text: "{" + members.map { "\"\($0.0)\":\($0.1.text)" }.joined(separator: ",") + "}")
    }

    static func list(_ values: some Sequence<JSONText>) -> JSONText {
        JSONText(text: "[" + values.map(\.text).joined(separator: ",") + "]")
    }
}

extension SQLValue {
    /// A parameter that is JSON.
    static func json(_ json: JSONText) -> SQLValue { .text(json.text) }
    /// A parameter that is a JSON list.
    static func json(_ values: some Sequence<JSONText>) -> SQLValue { .json(JSONText.list(values)) }
}
