/// Columns for people: a heading, rows, two spaces between, numbers to the right.
struct TextTable {
    /// A column.
    struct Column: Sendable {
        var heading: String
        var isNumber = false
        /// Longer cells are cut.
        var longest = 60
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    var isEmpty: Bool { rows.isEmpty }

    /// Adds a row, a cell for each column.
    mutating func add(_ cells: [String]) {
        rows.append(zip(cells, columns).map { Self.fit($0, to: $1.longest) })
    }

    /// The table with its heading, a newline behind each line.
    var text: String {
        let headings = columns.map(\.heading)
        let widths = columns.indices.map { column in
            ([headings] + rows).map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return ([headings] + rows).map { row in
            var line = zip(row.indices, row).map { index, cell in
                let space = String(repeating: " ", count: widths[index] - cell.count)
                return columns[index].isNumber ? space + cell : cell + space
            }.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    /// What a terminal can be shown: no control characters, whoever wrote the text.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? " " : $0 }))
    }

    private static func fit(_ cell: String, to width: Int) -> String {
        let cell = printable(cell)
        return cell.count <= width ? cell : cell.prefix(width - 1) + "…"
    }
}
