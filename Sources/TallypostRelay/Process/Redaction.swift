/// Masks what must not be read in logs and messages, whatever text it hides in: user information and queries of URLs,
/// passwords of database URLs, signing secrets, bearer tokens.
///
/// A second line of defence. The first is that secrets are never handed to a text at all.
public enum Redaction {
    /// What stands in a secret's place.
    public static let mask = "***"

    /// The text with its secrets masked; the same text where there are none.
    public static func masking(_ text: String) -> String {
        guard mayHoldSecret(text) else { return text }
        var masked = ""
        var word = ""
        var previous = ""
        func finish() {
            guard !word.isEmpty else { return }
            masked += previous == "bearer" || previous == "basic" ? mask : maskingWord(word)
            previous = word.lowercased()
            word = ""
        }
        for character in text {
            // A quotation mark ends a URL in running text; none may stand in one unescaped.
            if character.isWhitespace || character == "\"" || character == "“" || character == "”" {
                finish()
                masked.append(character)
            } else {
                word.append(character)
            }
        }
        finish()
        return masked
    }

    private static func mayHoldSecret(_ text: String) -> Bool {
        text.utf8.contains(UInt8(ascii: "=")) || text.contains("://") || text.contains("whs")
            || text.lowercased().contains("bearer ")
            || text.lowercased().contains("basic ")
    }

    private static func maskingWord(_ word: String) -> String {
        for prefix in ["whsec_", "whsk_"] {
            if let start = word.firstRange(of: prefix) { return String(word[..<start.upperBound]) + mask }
        }
        if let scheme = word.firstRange(of: "://") { return maskingURL(word, after: scheme.upperBound) }
        return maskingPassword(word)
    }

    /// `scheme://user:password@host/path?query`: the query goes, and of the user information the password; a user alone in
    /// an http URL is often a token, and goes too. Database URLs keep their query but for passwords.
    private static func maskingURL(_ word: String, after scheme: String.Index) -> String {
        let isDatabase = word.hasPrefix("postgres")
        // A database's password may hold a “/” or “?” that nobody escaped: there the user information ends at the last “@” of all.
        let userEnd = isDatabase ? word[scheme...].lastIndex(of: "@") ?? scheme : scheme
        let authorityEnd = word[userEnd...].firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? word.endIndex
        var masked = String(word[..<scheme])
        if let at = word[scheme..<authorityEnd].lastIndex(of: "@") {
            let user = word[scheme..<at]
            if isDatabase, let colon = user.firstIndex(of: ":") {
                masked += user[..<colon] + ":" + mask
            } else {
                masked += isDatabase ? String(user) : mask
            }
            masked += word[at..<authorityEnd]
        } else {
            masked += word[scheme..<authorityEnd]
        }
        guard let question = word[authorityEnd...].firstIndex(of: "?") else { return masked + word[authorityEnd...] }
        masked += word[authorityEnd...question]
        let query = word[word.index(after: question)...]
        return masked
            + (isDatabase ? query.split(separator: "&").map { maskingPassword(String($0)) }.joined(separator: "&") : mask)
    }

    /// `password=…`, as connection strings and queries write it.
    private static func maskingPassword(_ word: String) -> String {
        guard let equals = word.firstIndex(of: "=") else { return word }
        let name = word[..<equals].lowercased()
        return ["password", "passwd", "secret", "token", "signature"].contains(where: name.hasSuffix)
            ? word[...equals] + mask : word
    }
}
