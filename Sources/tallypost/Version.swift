/// Which Tallypost this is.
enum Version {
    /// Semantic version; in `User-Agent`, `--version` and logs.
    static let current = "0.1.0"
}
