import TallypostCore

/// PostgreSQL's SQLSTATEs as the store's kinds (PostgreSQL documentation, Appendix A).
enum PostgresFault {
    static func kind(of state: String) -> StoreError.Kind {
        switch state {
        // Damaged data or index. Any other internal error (XX000) may be a moment's, or an extension's: no reason to stop for good.
        case "XX001", "XX002": return .corrupt
        // Read-only: we are on a standby, or the primary became one. Another connection finds the new primary.
        case "25006", "57P01", "57P02", "57P03", "57P05": return .connection
        case "40001", "40P01", "55P03", "57014": return .busy
        case "42501": return .permission
        case "42P01", "42703", "42883", "3F000", "42704": return .schema
        case "26000": return .connection
        default: break
        }
        switch state.prefix(2) {
        case "08", "": return .connection
        case "28", "3D": return .permission
        case "53", "54", "58": return .unwritable
        case "22", "23": return .data
        default: return .defect
        }
    }

    static func error(_ result: PostgresResult, _ operation: String) -> StoreError {
        let state = result.sqlState
        return StoreError(kind: kind(of: state), code: state, operation: operation, message: result.message)
    }
}
