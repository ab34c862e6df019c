import CPostgres
import Synchronization
package import TallypostCore

/// Reconciliation's connection to PostgreSQL. It needs no primary to read from: a standby, or a role that may only read, will do.
@safe package final class PostgresReconcileDatabase: ReconcileDatabase {
    let link: PostgresConnection
    /// What `PQcancel` takes; usable from any thread.
    private let cancel: OpaquePointer?
    /// Set by ``interrupt()``, taken back by the next statement: a cancelled statement says not who cancelled it.
    private let isInterrupted = Atomic(false)
    private var isReading = false
    private var cursors = 0

    /// PostgreSQL's.
    package var dialect: SQLDialect { .postgres }

    /// Connects and checks the schema's version. A pooler may stand between: nothing outlives a transaction.
    package init(url: String) throws(StoreError) {
        link = try Self.connect(url)
        unsafe cancel = PQgetCancel(link.handle)
        try SchemaVersion.require(on: link)
        // Other people's statements are read from their text.
        try link.execute("SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'", operation: "connect")
    }

    deinit { unsafe PQfreeCancel(cancel) }

    /// A primary if the URL names one, else whatever answers.
    private static func connect(_ url: String) throws(StoreError) -> PostgresConnection {
        do throws(StoreError) {
            return try PostgresConnection(url: url, statements: StatementLibrary.statements, keepsSession: false)
        } catch {
            guard error.message.contains("read-only") || error.message.contains("standby") else { throw error }
            return try PostgresConnection(url: url, statements: StatementLibrary.statements, keepsSession: false, sessions: "any")
        }
    }

    // MARK: Transactions

    /// REPEATABLE READ: the snapshot is taken by the statement that reads the clock.
    package func beginReading(statementTimeout: TimeSpan) throws(StoreError) -> Timestamp {
        guard !isReading else { throw Self.misuse("begin_reading", "a snapshot is open already") }
        isInterrupted.store(false, ordering: .relaxed)
        let timeout = max(1, statementTimeout.milliseconds)
        do throws(StoreError) {
            let results = try link.run([
                .init(name: "begin_reading", sql: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
                .init(name: "begin_reading", sql: "SET LOCAL statement_timeout = \(timeout)"),
                // A queue's ids rise with its pages: the key's order costs little, a sort would fill the disk.
                .init(name: "begin_reading", sql: "SET LOCAL cursor_tuple_fraction = 0.01"),
                .init(name: "begin_reading", sql: "SELECT clock_timestamp()", binary: true),
            ])
            guard let now = results.last?.time(0, 0) else { throw Self.misuse("begin_reading", "no clock came back") }
            isReading = true
            return now
        } catch {
            rollBack()
            throw named(error)
        }
    }

    /// Never fails: with the connection the snapshot goes too.
    package func endReading() {
        guard isReading else { return }
        isReading = false
        rollBack()
    }

    /// READ COMMITTED.
    package func write<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        guard !isReading else { throw Self.misuse("write", "the connection reads from a snapshot") }
        isInterrupted.store(false, ordering: .relaxed)
        _ = try link.run([.init(name: "begin", sql: "BEGIN")])
        do throws(StoreError) {
            let result = try body()
            _ = try link.run([.init(name: "commit", sql: "COMMIT")])
            return result
        } catch {
            rollBack()
            throw error
        }
    }

    private func rollBack() { _ = try? link.run([.init(name: "rollback", sql: "ROLLBACK")]) }

    // MARK: Statements

    /// In binary.
    @discardableResult
    package func run(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int {
        let step = PostgresConnection.Step(name: statement.rawValue, parameters: Self.list(parameters), binary: true)
        return try stream(step, each)
    }

    /// A server-side cursor: nothing but the rows of one fetch is held anywhere.
    package func cursor(_ statement: ReconcileStatement, _ parameters: [SQLValue]) throws(StoreError) -> any SQLCursor {
        guard isReading else { throw Self.misuse(statement.rawValue, "a cursor needs a snapshot") }
        guard let sql = StatementLibrary.statements[statement.rawValue] else {
            preconditionFailure("no statement is named \(statement.rawValue)")
        }
        isInterrupted.store(false, ordering: .relaxed)
        cursors += 1
        let name = "tallypost_\(cursors)"
        var step = PostgresConnection.Step(name: statement.rawValue, sql: "DECLARE \(name) NO SCROLL CURSOR FOR \(sql)")
        step.parameters = Self.list(parameters)
        do throws(StoreError) {
            _ = try link.run([step])
        } catch {
            throw named(error)
        }
        return PostgresCursor(self, name: name, operation: statement.rawValue)
    }

    /// COPY: the server reads on while we take its rows. It takes no parameters, so they stand in it as literals.
    package func export(
        _ statement: ReconcileStatement, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) {
        let name = statement.rawValue
        guard isReading else { throw Self.misuse(name, "an export needs a snapshot") }
        isInterrupted.store(false, ordering: .relaxed)
        let query = try query(name, with: parameters)
        do throws(StoreError) {
            // COPY does not say what its columns are.
            let columns = try link.run([.init(name: name, sql: "SELECT * FROM (\(query)) AS export LIMIT 0", binary: true)])[0]
            let row = PostgresRow(isBinary: true)
            row.stand(on: columns, 0)
            var isWhole = true
            try unsafe link.copy(query, operation: name, stop: cancel) { line in
                isWhole = unsafe row.stand(onCopied: line)
                return isWhole && each(row)
            }
            guard isWhole else { throw Self.misuse(name, "a row came that does not fit its columns") }
        } catch {
            throw named(error)
        }
    }

    /// A named statement whose parameters are written into it.
    private func query(_ name: String, with parameters: [SQLValue]) throws(StoreError) -> String {
        guard let sql = StatementLibrary.statements[name] else { preconditionFailure("no statement is named \(name)") }
        var parts = sql.split(separator: "$", omittingEmptySubsequences: false)[...]
        var query = String(parts.removeFirst())
        for part in parts {
            let digits = part.prefix { $0.isWholeNumber }
            guard let number = Int(digits), parameters.indices.contains(number - 1) else {
                throw Self.misuse(name, "parameter $\(digits) has no value")
            }
            switch parameters[number - 1] {
            case .text(let text): query += try link.literal(text, operation: name)
            case .integer(let value): query += "(\(value))"
            default: throw Self.misuse(name, "parameter $\(digits) is neither text nor number")
            }
            query += part.dropFirst(digits.count)
        }
        return query
    }

    /// In text, so that every type there is comes as PostgreSQL prints it. Within a snapshot under a savepoint: a statement that fails takes
    /// nothing else with it.
    @discardableResult
    package func run(
        sql: String, operation: String, _ parameters: [SQLValue], _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int {
        let step = PostgresConnection.Step(name: operation, sql: sql, parameters: Self.list(parameters))
        guard isReading else { return try stream(step, each) }
        do throws(StoreError) {
            _ = try link.run([.init(name: operation, sql: "SAVEPOINT tallypost_statement")])
        } catch {
            throw named(error)
        }
        let affected: Int
        do throws(StoreError) {
            affected = try stream(step, each)
        } catch {
            var error = error
            // To the relay this says that it is on a standby; here, that a statement wants to write.
            if error.code == "25006" { error.kind = .permission }
            if error.kind != .connection { try returnToSavepoint(operation) }
            throw error
        }
        do throws(StoreError) {
            _ = try link.run([.init(name: operation, sql: "RELEASE SAVEPOINT tallypost_statement")])
        } catch {
            throw Self.misuse(operation, "the statement ended the snapshot that it was to read: \(error.message)")
        }
        return affected
    }

    /// An interrupt may meet this, instead of the statement that it was meant for: then once more.
    private func returnToSavepoint(_ operation: String) throws(StoreError) {
        var interrupts = 0
        while true {
            do throws(StoreError) {
                _ = try link.run([
                    .init(name: operation, sql: "ROLLBACK TO SAVEPOINT tallypost_statement"),
                    .init(name: operation, sql: "RELEASE SAVEPOINT tallypost_statement"),
                ])
                return
            } catch {
                interrupts += 1
                guard error.code == "57014", interrupts < 10 else { throw named(error) }
            }
        }
    }

    /// By a function with the owner's rights: the relay's role adds no row itself.
    package func insert(_ draft: TaskDraft) throws(StoreError) -> InsertedTask {
        var step = PostgresConnection.Step(name: "insert_task")
        step.parameters.append(draft)
        let result = try link.run([step])[0]
        guard let id = result.text(0, 0).flatMap({ Int64($0) }) else { throw Self.misuse("insert_task", "no id came back") }
        return InsertedTask(id: id, isNew: result.text(0, 1) == "t", signalToken: result.text(0, 2))
    }

    /// A message to the server on a connection of its own. What has ended meanwhile stays done.
    package func interrupt() {
        isInterrupted.store(true, ordering: .relaxed)
        var message: [CChar] = Array(repeating: 0, count: 256)
        _ = unsafe PQcancel(cancel, &message, Int32(message.count))
    }

    private func stream(
        _ step: PostgresConnection.Step, _ each: (any SQLRow) -> Bool
    ) throws(StoreError) -> Int {
        isInterrupted.store(false, ordering: .relaxed)
        let row = PostgresRow(isBinary: step.binary)
        do throws(StoreError) {
            return try link.stream(step) { result in
                row.stand(on: result, 0)
                return each(row)
            }
        } catch {
            throw named(error)
        }
    }

    // MARK: Errors and values

    /// 57014 says that somebody broke the statement off: who, only we can know.
    func named(_ error: StoreError) -> StoreError {
        guard error.code == "57014" else { return error }
        var error = error
        // By its words too: an interrupt may be older than the statement that it meets.
        error.code =
            isInterrupted.load(ordering: .relaxed) || error.message.contains("user request") ? "interrupted" : "timeout"
        return error
    }

    private static func misuse(_ operation: String, _ message: String) -> StoreError {
        StoreError(kind: .defect, code: "", operation: operation, message: message)
    }

    private static func list(_ values: [SQLValue]) -> PostgresParameters {
        var list = PostgresParameters()
        for value in values {
            switch value {
            case .null: list.append(nil as String?)
            case .integer(let number): list.append(String(number))
            case .text(let text): list.append(text)
            case .blob(let bytes): list.append(hex: bytes)
            case .time(let time): list.append(time.literal)
            case .boolean(let flag): list.append(flag ? "t" : "f")
            }
        }
        return list
    }
}

/// `FETCH`, 5,000 rows at a time.
final class PostgresCursor: SQLCursor {
    private static let rowsAtOnce = 5_000
    private let database: PostgresReconcileDatabase
    private let name: String
    private let operation: String
    private let row = PostgresRow(isBinary: true)
    private var part: PostgresResult?
    private var position = 0
    private var count = 0
    private var isAtEnd = false

    init(_ database: PostgresReconcileDatabase, name: String, operation: String) {
        self.database = database
        self.name = name
        self.operation = operation
    }

    func next() throws(StoreError) -> (any SQLRow)? {
        if position == count {
            guard !isAtEnd else { return nil }
            try fetch()
            guard count > 0 else { return nil }
        }
        row.stand(at: position)
        position += 1
        return row
    }

    private func fetch() throws(StoreError) {
        part = nil
        do throws(StoreError) {
            let results = try database.link.run([
                .init(name: operation, sql: "FETCH \(Self.rowsAtOnce) FROM \(name)", binary: true)
            ])
            part = results[0]
            position = 0
            count = results[0].rowCount
            isAtEnd = count < Self.rowsAtOnce
            row.stand(on: results[0], 0)
        } catch {
            isAtEnd = true
            throw database.named(error)
        }
    }

    /// Errors do not matter: the end of the snapshot closes it too.
    func close() {
        part = nil
        (position, count, isAtEnd) = (0, 0, true)
        _ = try? database.link.run([.init(name: operation, sql: "CLOSE \(name)")])
    }
}
