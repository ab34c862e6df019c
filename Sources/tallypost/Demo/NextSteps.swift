/// What to do after the demo, with one's own database.
enum NextSteps {
    /// For a terminal of 80 columns. `program` is how this program was called.
    static func lines(program: String) -> [String] {
        ["Next, your own database: a file (sqlite:shop.db) or postgres://user@host/name."]
            + (program == "tallypost" ? [] : ["`tallypost` below is \(program)"]) + [
                "",
                "  tallypost init --database sqlite:shop.db",
                "  sqlite3 shop.db \"INSERT INTO pending_tasks (type, payload)",
                "    VALUES ('send-receipt', '{\\\"order\\\":\\\"o_1\\\"}')\"",
                "  tallypost run --database sqlite:shop.db \\",
                "    --route send-receipt=http://127.0.0.1:8080/receipts",
                "",
                "Insert in the transaction of your business change. README.md says the rest.",
            ]
    }
}
