import CPostgres
import StoreContract

/// An application's own connection to a PostgreSQL database: plain SQL, libpq's defaults.
@safe public final class PostgresSession {
    private let handle: OpaquePointer

    /// Connects.
    public init(url: String) throws {
        guard let opened = unsafe PQconnectdb(url) else { throw FixtureError("out of memory") }
        unsafe handle = unsafe opened
        guard unsafe PQstatus(handle) == CONNECTION_OK else {
            throw FixtureError("\(url) does not open: \(unsafe String(cString: PQerrorMessage(handle)))")
        }
        _ = unsafe PQsetNoticeProcessor(handle, ignoreNotice, nil)
    }

    deinit { unsafe PQfinish(handle) }

    /// Runs every statement of a text.
    public func execute(_ sql: String) throws { _ = try query(sql) }

    /// Runs SQL; the last statement's rows, every value as text, nil for NULL.
    @discardableResult public func query(_ sql: String) throws -> [[String?]] {
        let result = unsafe PQexec(handle, sql)
        defer { unsafe PQclear(result) }
        let status = unsafe PQresultStatus(result)
        guard status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY else {
            let state = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { unsafe String(cString: $0) } ?? "none"
            let message = unsafe String(cString: PQerrorMessage(handle))
            throw SQLFailure(state: state, description: "\(message) [\(state)], in: \(sql.prefix(200))")
        }
        return unsafe (0..<PQntuples(result)).map { row in
            unsafe (0..<PQnfields(result)).map { column in
                guard unsafe PQgetisnull(result, row, column) == 0, let text = unsafe PQgetvalue(result, row, column) else {
                    return nil
                }
                return unsafe String(cString: text)
            }
        }
    }
}

/// What the server refused.
public struct SQLFailure: Error, CustomStringConvertible {
    /// The SQLSTATE.
    public let state: String
    /// The server's message, the state and the statement.
    public let description: String
}

/// Notices ("relation already exists, skipping") say nothing that a test waits for.
private func ignoreNotice(_: UnsafeMutableRawPointer?, _: UnsafePointer<CChar>?) {}
