import TallypostPostgres

/// Which database, as the contract writes it: `sqlite:PATH`, or any `postgres://` URL of libpq.
enum DatabaseURL: Sendable, Equatable {
    /// A file.
    case sqlite(path: String)
    /// What libpq is given, password and all.
    case postgres(url: String)

    /// Why a text names no database.
    struct Failure: Error, Equatable {
        let reason: String
    }

    init(parsing text: String) throws(Failure) {
        if text.hasPrefix("sqlite:") {
            var path = text.dropFirst("sqlite:".count)
            // sqlite:///var/x.db and sqlite:/var/x.db are the same file.
            if path.hasPrefix("//") { path = path.dropFirst(2) }
            guard !path.isEmpty else { throw Failure(reason: "sqlite: has no path behind it; write sqlite:/var/lib/app/app.db") }
            guard !path.contains("\0"), path != ":memory:" else {
                throw Failure(reason: "a database in memory is no other process's; write the path of a file")
            }
            self = .sqlite(path: String(path))
        } else if text.hasPrefix("postgres://") || text.hasPrefix("postgresql://") {
            guard PostgresURL.isReadable(text) else {
                throw Failure(
                    reason:
                        "this URL cannot be read; percent-encode what is special in user and password (% is %25, @ is %40, / is %2F, ? is %3F)"
                )
            }
            self = .postgres(url: text)
        } else {
            throw Failure(reason: "neither sqlite:PATH nor postgres://user@host/database")
        }
    }

    /// The file's or the database's own name, for the names of reports: `shop`.
    var shortName: String {
        let whole: Substring
        switch self {
        case .sqlite(let path): whole = path[...]
        case .postgres(let url): whole = url.prefix { $0 != "?" }
        }
        let name = whole.split(separator: "/").last ?? ""
        let stem = name.hasSuffix(".db") || name.hasSuffix(".sqlite") ? name[..<(name.lastIndex(of: ".") ?? name.endIndex)] : name
        // The host, where no database is named.
        return stem.isEmpty || stem.contains("@") || stem.contains(":") ? "default" : String(stem)
    }

    /// For people: without a password.
    var redacted: String {
        switch self {
        case .sqlite(let path): return "sqlite:\(path)"
        case .postgres(let url):
            var shown = url
            // Up to the last “@” of all: a password may hold an “@”, “?” or “/” of its own that nobody escaped. Rather too much
            // is hidden than too little.
            if let scheme = shown.firstRange(of: "://"), let at = shown[scheme.upperBound...].lastIndex(of: "@") {
                let user = shown[scheme.upperBound..<at]
                if let colon = user.firstIndex(of: ":") { shown.replaceSubrange(colon..<at, with: ":…") }
            }
            guard let query = shown.firstIndex(of: "?") else { return shown }
            let parameters = shown[shown.index(after: query)...].split(separator: "&").map {
                $0.lowercased().hasPrefix("password=") || $0.lowercased().hasPrefix("sslpassword=")
                    ? "\($0.prefix { $0 != "=" })=…" : String($0)
            }
            return shown[...query] + parameters.joined(separator: "&")
        }
    }
}
