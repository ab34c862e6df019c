import CSQLite
import TallypostCore

/// What SQLite's result codes mean to a relay.
enum SQLiteFault {
    /// The last error of a connection.
    @unsafe static func lastError(of connection: OpaquePointer?, operation: String, about subject: String? = nil) -> StoreError {
        let message = unsafe String(cString: sqlite3_errmsg(connection))
        return error(
            code: unsafe sqlite3_extended_errcode(connection), operation: operation,
            message: subject.map { "\($0): \(message)" } ?? message)
    }

    /// - Parameters:
    ///   - code: an extended result code.
    ///   - message: SQLite's own.
    static func error(code: Int32, operation: String, message: String) -> StoreError {
        let (kind, hint) = meaning(of: code, message: message)
        return StoreError(
            kind: kind, code: "\(name(of: code & 0xFF))(\(code))", operation: operation,
            message: hint.map { "\(message): \($0)" } ?? message)
    }

    private static func meaning(of code: Int32, message: String) -> (StoreError.Kind, String?) {
        switch code & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED: (.busy, nil)
        case SQLITE_FULL: (.unwritable, "make room on the disk")
        case SQLITE_READONLY where code == readonlyMoved: (.connection, "the file was moved or replaced")
        case SQLITE_READONLY:
            (.unwritable, "the relay's user needs write permission on the file, its -wal and -shm, and the directory")
        case SQLITE_IOERR: (.unwritable, nil)
        case SQLITE_CORRUPT: (.corrupt, "restore it from a backup; writing to it would make it worse")
        case SQLITE_NOTADB: (.corrupt, "the file is no SQLite database, or is encrypted")
        case SQLITE_CANTOPEN:
            (.connection, "check that the file and its directory are there and that the relay's user may write to both")
        case SQLITE_NOMEM, SQLITE_INTERRUPT, SQLITE_PROTOCOL: (.busy, nil)
        case SQLITE_PERM, SQLITE_AUTH: (.permission, nil)
        case SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH: (.data, nil)
        case SQLITE_SCHEMA: (.schema, nil)
        case SQLITE_ERROR where isMissing(message): (.schema, "run `tallypost init`")
        default: (.defect, nil)
        }
    }

    /// `SQLITE_READONLY_DBMOVED`, a macro that Swift does not see.
    private static let readonlyMoved: Int32 = SQLITE_READONLY | (4 << 8)

    /// `SQLITE_ERROR` has no extended code for a table or column that is not there; the text is all there is.
    private static func isMissing(_ message: String) -> Bool {
        message.hasPrefix("no such table") || message.hasPrefix("no such column")
    }

    private static func name(of primary: Int32) -> String {
        switch primary {
        case SQLITE_ERROR: "SQLITE_ERROR"
        case SQLITE_PERM: "SQLITE_PERM"
        case SQLITE_BUSY: "SQLITE_BUSY"
        case SQLITE_LOCKED: "SQLITE_LOCKED"
        case SQLITE_NOMEM: "SQLITE_NOMEM"
        case SQLITE_READONLY: "SQLITE_READONLY"
        case SQLITE_INTERRUPT: "SQLITE_INTERRUPT"
        case SQLITE_IOERR: "SQLITE_IOERR"
        case SQLITE_CORRUPT: "SQLITE_CORRUPT"
        case SQLITE_FULL: "SQLITE_FULL"
        case SQLITE_CANTOPEN: "SQLITE_CANTOPEN"
        case SQLITE_PROTOCOL: "SQLITE_PROTOCOL"
        case SQLITE_SCHEMA: "SQLITE_SCHEMA"
        case SQLITE_TOOBIG: "SQLITE_TOOBIG"
        case SQLITE_CONSTRAINT: "SQLITE_CONSTRAINT"
        case SQLITE_MISMATCH: "SQLITE_MISMATCH"
        case SQLITE_MISUSE: "SQLITE_MISUSE"
        case SQLITE_AUTH: "SQLITE_AUTH"
        case SQLITE_RANGE: "SQLITE_RANGE"
        case SQLITE_NOTADB: "SQLITE_NOTADB"
        default: "SQLITE"
        }
    }
}
