import TallypostCore

/// A condition of a statement that is always true, and in which PostgreSQL sleeps for a moment every few thousand rows.
enum ScanRest {
    /// Between two rests, on average: some three milliseconds of a join's work, measured with 1,000,000 rows on either side.
    private static let rowsPerRest: Int64 = 4_096
    /// Then a join works for a tenth of its time or less.
    private static let longest = 0.036
    /// A scan that would rest for more than so many seconds in all rests less each time.
    private static let longestInAll = 15.0

    /// How many rows a table has, as far as the planner knows: one row; none for what is no table.
    static func sizeSQL(of table: String) -> String {
        """
        SELECT CAST(reltuples AS bigint) FROM pg_class
        WHERE oid = to_regclass(\(ExpectationSQL.literal(table))) AND relkind IN ('r', 'p', 'm')
        """
    }

    /// - Parameter rows: of the table; 0 or fewer: unknown.
    /// - Returns: nil where there is no need, or no telling how long it would take.
    static func condition(rows: Int64) -> String? {
        guard rows >= rowsPerRest else { return nil }
        let rest = min(longest, longestInAll * Double(rowsPerRest) / Double(rows))
        // pg_sleep returns no NULL; coalesce keeps the planner from finding that out and leaving it away.
        return "(random() * \(rowsPerRest) >= 1 OR coalesce(CAST(pg_sleep(\(rest)) AS text), '') IS NOT NULL)"
    }
}
