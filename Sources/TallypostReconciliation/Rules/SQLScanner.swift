import TallypostCore

/// A word of SQL, as far as rules must know it: where it stands and how deep in parentheses.
struct SQLToken: Equatable {
    /// What it is.
    enum Kind: Equatable { case word, quotedName, string, number, mark }

    var kind: Kind
    /// As written.
    var text: String
    /// Bytes of the source.
    var range: Range<Int>
    /// How many parentheses are open before it; a closing one has the depth of its opening one.
    var depth: Int

    /// A keyword: a bare word, whatever its case.
    func isWord(_ word: String) -> Bool { kind == .word && text.lowercased() == word }
    /// One character that is neither word nor literal.
    func isMark(_ mark: String) -> Bool { kind == .mark && text == mark }
}

/// Takes SQL apart without understanding it: comments are left out, quotes of every kind are one token.
struct SQLScanner {
    /// Text that never ends: a quote or a comment that is open at the end.
    struct Unended: Error, Equatable {
        var what: String
        var at: Int
    }

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    private var tokens: [SQLToken] = []

    private init(_ sql: String) { bytes = Array(sql.utf8) }

    static func tokens(of sql: String) throws(Unended) -> [SQLToken] {
        var scanner = SQLScanner(sql)
        while try scanner.scanNext() {}
        return scanner.tokens
    }

    private func byte(_ offset: Int = 0) -> UInt8? {
        position + offset < bytes.count ? bytes[position + offset] : nil
    }

    private mutating func take(_ kind: SQLToken.Kind, to end: Int) {
        let text = String(decoding: bytes[position..<end], as: UTF8.self)
        if kind == .mark, text == ")" { depth = max(0, depth - 1) }
        tokens.append(SQLToken(kind: kind, text: text, range: position..<end, depth: depth))
        if kind == .mark, text == "(" { depth += 1 }
        position = end
    }

    private mutating func scanNext() throws(Unended) -> Bool {
        guard let first = byte() else { return false }
        switch first {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), 0x0C: position += 1
        case UInt8(ascii: "-") where byte(1) == first:
            while let next = byte(), next != UInt8(ascii: "\n") { position += 1 }
        case UInt8(ascii: "/") where byte(1) == UInt8(ascii: "*"): try skipComment()
        case UInt8(ascii: "'"): take(.string, to: try endOfQuote(first, "string"))
        case UInt8(ascii: "\""), UInt8(ascii: "`"): take(.quotedName, to: try endOfQuote(first, "quoted name"))
        case UInt8(ascii: "$"): try scanDollar()
        case UInt8(ascii: "0")...UInt8(ascii: "9"): take(.number, to: endOfWord())
        case _ where Self.isWord(first): take(.word, to: endOfWord())
        default: take(.mark, to: position + 1)
        }
        return true
    }

    /// Nested, as PostgreSQL has them.
    private mutating func skipComment() throws(Unended) {
        let start = position
        var open = 0
        repeat {
            switch (byte(), byte(1)) {
            case (UInt8(ascii: "/"), UInt8(ascii: "*")):
                open += 1
                position += 2
            case (UInt8(ascii: "*"), UInt8(ascii: "/")):
                open -= 1
                position += 2
            case (nil, _): throw Unended(what: "comment", at: start)
            default: position += 1
            }
        } while open > 0
    }

    /// A doubled quote stands for itself; `E'…'` has backslashes.
    private func endOfQuote(_ quote: UInt8, _ what: String) throws(Unended) -> Int {
        let hasEscapes =
            quote == UInt8(ascii: "'") && tokens.last.map { $0.range.upperBound == position && $0.isWord("e") } == true
        var end = position + 1
        while end < bytes.count {
            if hasEscapes, bytes[end] == UInt8(ascii: "\\") {
                end += 2
            } else if bytes[end] != quote {
                end += 1
            } else if end + 1 < bytes.count, bytes[end + 1] == quote {
                end += 2
            } else {
                return end + 1
            }
        }
        throw Unended(what: what, at: position)
    }

    /// `$$ … $$`, `$tag$ … $tag$`, or a parameter's mark.
    private mutating func scanDollar() throws(Unended) {
        var end = position + 1
        while end < bytes.count, Self.isWord(bytes[end]) { end += 1 }
        guard end < bytes.count, bytes[end] == UInt8(ascii: "$") else { return take(.mark, to: position + 1) }
        let tag = bytes[position...end]
        var close = end + 1
        while close + tag.count <= bytes.count {
            if bytes[close..<close + tag.count].elementsEqual(tag) { return take(.string, to: close + tag.count) }
            close += 1
        }
        throw Unended(what: "dollar-quoted string", at: position)
    }

    private func endOfWord() -> Int {
        var end = position + 1
        while end < bytes.count, Self.isWord(bytes[end]) || bytes[end] == UInt8(ascii: "$") { end += 1 }
        return end
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }
}

extension SQLScanner {
    /// A text's statements, without their semicolons; empty ones and comments alone are none. `line` is where each begins, from 1.
    static func statements(of sql: String) throws(Unended) -> [(sql: String, line: Int)] {
        let bytes = Array(sql.utf8)
        var statements: [(sql: String, line: Int)] = []
        var part: Range<Int>?
        func close() {
            guard let range = part else { return }
            let line = 1 + bytes[..<range.lowerBound].count { $0 == UInt8(ascii: "\n") }
            statements.append((String(decoding: bytes[range], as: UTF8.self), line))
            part = nil
        }
        // BEGIN … END of a trigger holds semicolons that end no statement.
        var isTrigger = false
        var blocks = 0
        var head: [String] = []
        for token in try tokens(of: sql) {
            if part == nil {
                isTrigger = false
                blocks = 0
                head = []
            }
            if token.kind == .word, head.count < 4 {
                head.append(token.text.lowercased())
                isTrigger = head.first == "create" && head.contains("trigger") || isTrigger
            }
            if isTrigger {
                if token.isWord("begin") || token.isWord("case") { blocks += 1 }
                if token.isWord("end") { blocks -= 1 }
            }
            if token.isMark(";"), token.depth == 0, blocks <= 0 {
                close()
            } else {
                part = (part?.lowerBound ?? token.range.lowerBound)..<token.range.upperBound
            }
        }
        close()
        return statements
    }
}
