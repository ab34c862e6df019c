import CPostgres
import Glibc
import TallypostCore

/// One connection, always in pipeline mode: statements go out together, and each group of them is one transaction.
///
/// It belongs to one thread. After a `.connection` error it is of no more use; make another.
@safe final class PostgresConnection {
    /// One statement to be sent.
    struct Step {
        /// The name of a named statement; with ``sql``, only what an error calls it.
        var name: String
        /// SQL that is no named statement: sent whole.
        var sql: String?
        var parameters = PostgresParameters()
        /// Results in binary, cheap to read; else in text.
        var binary = false
    }

    /// Whether statements are prepared once by name (a session of our own), or sent whole each time (a pooler may stand between).
    let keepsSession: Bool
    let handle: OpaquePointer
    private let statements: [String: String]
    private var prepared: Set<String> = []

    /// Connects. Parameters that the URL does not set get values fit for a relay: only a primary that takes writes will do, a
    /// dead peer is noticed within seconds.
    ///
    /// - Parameter sessions: which servers will do, in the words of libpq's `target_session_attrs`.
    init(
        url: String, statements: [String: String], keepsSession: Bool, sessions: String = "read-write"
    ) throws(StoreError) {
        self.statements = statements
        self.keepsSession = keepsSession
        let names = [
            "dbname", "target_session_attrs", "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count",
            "tcp_user_timeout", "fallback_application_name", "client_encoding",
        ]
        // The URL stands last, so that what it sets goes before these.
        let defaults = [sessions, "5", "10", "5", "3", "15000", "tallypost", "UTF8"]
        let words = Array(names.dropFirst()) + ["dbname"]
        let values = defaults + [url]
        guard let handle = unsafe Self.connect(words, values) else {
            throw StoreError(kind: .unwritable, code: "", operation: "connect", message: "out of memory")
        }
        unsafe self.handle = unsafe handle
        guard unsafe PQstatus(handle) == CONNECTION_OK else {
            let message = unsafe String(cString: PQerrorMessage(handle)).split(separator: "\n").joined(separator: "; ")
            let error = StoreError(
                kind: Self.kind(ofConnectFailure: message), code: "08001", operation: "connect", message: message)
            throw error
        }
        unsafe PQsetNoticeProcessor(handle, ignoreNotice, nil)
        guard unsafe PQenterPipelineMode(handle) == 1 else { throw lost("connect") }
    }

    deinit { unsafe PQfinish(handle) }

    private static func connect(_ words: [String], _ values: [String]) -> OpaquePointer? {
        var keys = PostgresParameters()
        var texts = PostgresParameters()
        for word in words { keys.append(word) }
        for value in values { texts.append(value) }
        // libpq wants both lists to end in NULL.
        keys.append(nil)
        texts.append(nil)
        return unsafe keys.withPointers { _, keys in
            unsafe texts.withPointers { _, values in
                unsafe PQconnectdbParams(keys, values, 1)
            }
        }
    }

    /// A server that answers with a refusal is no server that is away: waiting does not mend a password.
    private static func kind(ofConnectFailure message: String) -> StoreError.Kind {
        for word in [
            "password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry", "invalid ",
        ]
        where message.contains(word) && !message.contains("No such file") {
            return .permission
        }
        return .connection
    }

    /// For `poll`.
    var descriptor: Int32 { unsafe PQsocket(handle) }

    /// Runs one transaction of several statements, and returns their results.
    func run(_ steps: [Step]) throws(StoreError) -> [PostgresResult] {
        try run([steps])[0].get()
    }

    /// Runs several transactions in one round trip. One that fails is rolled back and does not touch the others.
    func run(_ groups: [[Step]]) throws(StoreError) -> [Result<[PostgresResult], StoreError>] {
        for group in groups {
            for step in group { try send(step) }
            guard unsafe PQpipelineSync(handle) == 1 else { throw lost(group.first?.name ?? "sync") }
        }
        var outcomes: [Result<[PostgresResult], StoreError>] = []
        for group in groups { outcomes.append(try receive(group)) }
        return outcomes
    }

    private func send(_ step: Step) throws(StoreError) {
        guard let sql = step.sql ?? statements[step.name] else { preconditionFailure("no statement is named \(step.name)") }
        let format: Int32 = step.binary ? 1 : 0
        let sent: Int32
        if keepsSession, step.sql == nil {
            if !prepared.contains(step.name) {
                guard unsafe PQsendPrepare(handle, step.name, sql, 0, nil) == 1 else { throw lost(step.name) }
                prepared.insert(step.name)
                preparing.insert(step.name)
            }
            sent = unsafe step.parameters.withPointers { count, values in
                unsafe PQsendQueryPrepared(handle, step.name, count, values, nil, nil, format)
            }
        } else {
            sent = unsafe step.parameters.withPointers { count, values in
                unsafe PQsendQueryParams(handle, sql, count, nil, values, nil, nil, format)
            }
        }
        guard sent == 1 else { throw lost(step.name) }
    }

    /// Statements whose preparation is under way: their answer comes before that of their first use.
    private var preparing: Set<String> = []

    private func receive(_ group: [Step]) throws(StoreError) -> Result<[PostgresResult], StoreError> {
        var results: [PostgresResult] = []
        var failure: StoreError?
        for step in group {
            if step.sql == nil, preparing.remove(step.name) != nil {
                let result = try next(step.name)
                if result.status != PGRES_COMMAND_OK {
                    prepared.remove(step.name)
                    if failure == nil, result.status != PGRES_PIPELINE_ABORTED {
                        failure = PostgresFault.error(result, step.name)
                    }
                }
            }
            let result = try next(step.name)
            switch result.status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: results.append(result)
            case PGRES_PIPELINE_ABORTED: break
            default: if failure == nil { failure = PostgresFault.error(result, step.name) }
            }
        }
        try awaitSync(group.first?.name ?? "sync", failure: &failure)
        if let failure {
            if failure.kind == .connection { throw failure }
            return .failure(failure)
        }
        return .success(results)
    }

    // MARK: Streams

    /// Runs one statement and hands over its rows one by one, never two at a time; `each` says whether to go on. How many rows it changed.
    ///
    /// The rows after a no are read and thrown away: to break the statement off would end the transaction around it.
    @discardableResult
    func stream(_ step: Step, _ each: (PostgresResult) -> Bool) throws(StoreError) -> Int {
        precondition(!keepsSession, "a stream is sent whole: its answer must be the next")
        try send(step)
        guard unsafe PQsetSingleRowMode(handle) == 1, unsafe PQpipelineSync(handle) == 1 else { throw lost(step.name) }
        var failure: StoreError?
        var affected = 0
        var goesOn = true
        while let raw = unsafe PQgetResult(handle) {
            let result = unsafe PostgresResult(raw)
            switch result.status {
            case PGRES_SINGLE_TUPLE: if goesOn { goesOn = each(result) }
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: affected = result.affected
            default:
                if unsafe PQstatus(handle) == CONNECTION_BAD { throw lost(step.name, result, isGone: true) }
                failure = PostgresFault.error(result, step.name)
            }
        }
        if unsafe PQstatus(handle) == CONNECTION_BAD { throw lost(step.name, isGone: true) }
        try awaitSync(step.name, failure: &failure)
        if let failure { throw failure }
        return affected
    }

    /// A statement's result, and the end mark behind it.
    private func next(_ operation: String) throws(StoreError) -> PostgresResult {
        guard let first = unsafe PQgetResult(handle) else { throw lost(operation) }
        let result = unsafe PostgresResult(first)
        if unsafe PQstatus(handle) == CONNECTION_BAD {
            throw lost(operation, result.sqlState.isEmpty ? nil : result, isGone: true)
        }
        while let more = unsafe PQgetResult(handle) { unsafe PQclear(more) }
        return result
    }

    private func awaitSync(_ operation: String, failure: inout StoreError?) throws(StoreError) {
        guard let handleOfSync = unsafe PQgetResult(handle) else { throw lost(operation) }
        let sync = unsafe PostgresResult(handleOfSync)
        switch sync.status {
        case PGRES_PIPELINE_SYNC: return
        // The commit itself failed (a deferred constraint, a serialisation failure): the mark follows.
        case PGRES_FATAL_ERROR:
            if unsafe PQstatus(handle) == CONNECTION_BAD { throw lost(operation, sync, isGone: true) }
            if failure == nil { failure = PostgresFault.error(sync, operation) }
            try skipToSync(operation)
        default: throw lost(operation)
        }
    }

    /// Between the error and the mark libpq says once that there are no more results.
    private func skipToSync(_ operation: String) throws(StoreError) {
        for _ in 0..<4 {
            guard let more = unsafe PQgetResult(handle) else { continue }
            let isSync = unsafe PQresultStatus(more) == PGRES_PIPELINE_SYNC
            unsafe PQclear(more)
            if isSync { return }
        }
        throw lost(operation)
    }

    /// - Parameter isGone: whatever the server's last word was, there is no connection any more.
    private func lost(_ operation: String, _ result: PostgresResult? = nil, isGone: Bool = false) -> StoreError {
        if let result, !result.sqlState.isEmpty {
            var error = PostgresFault.error(result, operation)
            if isGone { error.kind = .connection }
            return error
        }
        let text = unsafe String(cString: PQerrorMessage(handle)).split(separator: "\n").joined(separator: "; ")
        return StoreError(
            kind: .connection, code: "08006", operation: operation, message: text.isEmpty ? "the connection was lost" : text)
    }

    // MARK: Scripts

    /// Runs SQL of several statements, outside the pipeline: for migrations, which read as SQL. Returns the last result, in text.
    @discardableResult func execute(_ script: String, operation: String) throws(StoreError) -> PostgresResult {
        guard unsafe PQexitPipelineMode(handle) == 1 else { throw lost(operation) }
        defer { _ = unsafe PQenterPipelineMode(handle) }
        guard let raw = unsafe PQexec(handle, script) else { throw lost(operation) }
        let result = unsafe PostgresResult(raw)
        switch result.status {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return result
        default: throw lost(operation, result)
        }
    }

    // MARK: Copies

    /// A text within SQL.
    func literal(_ text: String, operation: String) throws(StoreError) -> String {
        guard let literal = unsafe PQescapeLiteral(handle, text, text.utf8.count) else { throw lost(operation) }
        defer { unsafe PQfreemem(literal) }
        return unsafe String(cString: literal)
    }

    /// The rows of a query in COPY's binary format, outside the pipeline. `each` gets one row's bytes and says whether to go on; after a no
    /// the query is cancelled, and with it the transaction.
    func copy(
        _ query: String, operation: String, stop: OpaquePointer?, _ each: (UnsafeRawBufferPointer) -> Bool
    ) throws(StoreError) {
        guard unsafe PQexitPipelineMode(handle) == 1 else { throw lost(operation) }
        defer { _ = unsafe PQenterPipelineMode(handle) }
        guard let raw = unsafe PQexec(handle, "COPY (\(query)) TO STDOUT (FORMAT binary)") else { throw lost(operation) }
        let begun = unsafe PostgresResult(raw)
        guard begun.status == PGRES_COPY_OUT else { throw lost(operation, begun) }
        // Before the first row: a signature of 11 bytes, flags, and the length of what else there may be.
        var head = 19
        var goesOn = true
        while true {
            var data: UnsafeMutablePointer<CChar>?
            let length = unsafe PQgetCopyData(handle, &data, 0)
            guard length > 0, let start = unsafe data else { break }
            defer { unsafe PQfreemem(start) }
            let line = unsafe UnsafeRawBufferPointer(start: start, count: Int(length)).dropFirst(head)
            head = 0
            // A count of −1 is the end.
            guard goesOn, unsafe line.count > 2 else { continue }
            goesOn = unsafe each(UnsafeRawBufferPointer(rebasing: line))
            guard !goesOn else { continue }
            var message: [CChar] = Array(repeating: 0, count: 256)
            _ = unsafe PQcancel(stop, &message, Int32(message.count))
        }
        var failure: StoreError?
        while let raw = unsafe PQgetResult(handle) {
            let result = unsafe PostgresResult(raw)
            if result.status != PGRES_COMMAND_OK { failure = lost(operation, result) }
        }
        if unsafe PQstatus(handle) == CONNECTION_BAD { throw lost(operation, isGone: true) }
        if let failure, goesOn { throw failure }
    }

    // MARK: Notifications

    /// Whether a notification has come; takes all that have.
    func takeNotifications() -> Bool {
        var any = false
        while let notification = unsafe PQnotifies(handle) {
            unsafe PQfreemem(notification)
            any = true
        }
        return any
    }

    /// Reads what the server sent. Throws when the connection is gone.
    func consume() throws(StoreError) {
        guard unsafe PQconsumeInput(handle) == 1 else { throw lost("listen") }
    }
}

/// libpq would print notices on standard error, between the log's lines. What matters comes as an error too.
private func ignoreNotice(_: UnsafeMutableRawPointer?, _: UnsafePointer<CChar>?) {}
