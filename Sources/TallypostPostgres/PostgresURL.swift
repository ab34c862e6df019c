import CPostgres

/// Asks libpq whether it can read a connection URL, before anything is connected.
///
/// libpq's own words are not passed on: they quote what they could not read, and that may be a piece of the password.
public enum PostgresURL {
    /// Whether libpq can read it. A password with a `%`, `@`, `/` or `?` that is not percent-encoded is the usual reason why not.
    public static func isReadable(_ url: String) -> Bool {
        var message: UnsafeMutablePointer<CChar>?
        let options = unsafe PQconninfoParse(url, &message)
        if let message = unsafe message { unsafe PQfreemem(message) }
        guard let options = unsafe options else { return false }
        unsafe PQconninfoFree(options)
        return true
    }
}
