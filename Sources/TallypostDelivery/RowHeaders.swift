import FoundationEssentials

/// The column `headers`: a JSON object of strings, as headers that can be sent.
struct RowHeaders: Sendable, Equatable {
    let fields: [HeaderField]
    /// Their names in lower case.
    let names: Set<String>

    static let none = RowHeaders(fields: [], names: [])
    static let mostFields = 64
    static let longestText = 32_768

    private init(fields: [HeaderField], names: Set<String>) {
        self.fields = fields
        self.names = names
    }

    /// Sorted by name, so that every attempt sends the same.
    init(parsing text: String) throws(HeaderError) {
        guard text.utf8.count <= Self.longestText else {
            throw HeaderError(reason: "headers are longer than \(Self.longestText) bytes")
        }
        let object: [String: String]
        do { object = try JSONDecoder().decode([String: String].self, from: Data(text.utf8)) } catch {
            throw HeaderError(reason: "headers must be a JSON object whose values are all strings")
        }
        guard object.count <= Self.mostFields else { throw HeaderError(reason: "more than \(Self.mostFields) headers") }
        var fields: [HeaderField] = []
        var names: Set<String> = []
        for (name, value) in object.sorted(by: { $0.key < $1.key }) {
            let field = try HeaderField(name: name, value: value)
            guard names.insert(name.lowercased()).inserted else { throw HeaderError(reason: "header \(name) is named twice") }
            fields.append(field)
        }
        self.init(fields: fields, names: names)
    }
}

/// The last few texts of `headers` that were read: rows of one application share them, and reading JSON costs as much as
/// sending a request.
struct RowHeadersCache {
    private var known: [String: RowHeaders] = [:]
    private static let limit = 256

    mutating func headers(of text: String) throws(HeaderError) -> RowHeaders {
        if let found = known[text] { return found }
        let parsed = try RowHeaders(parsing: text)
        if known.count >= Self.limit { known.removeAll(keepingCapacity: true) }
        known[text] = parsed
        return parsed
    }
}
