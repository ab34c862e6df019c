import TallypostCore

/// The version of the tables that this program works with.
enum SchemaVersion {
    /// The newest migration.
    static let current = 1

    /// Throws `.schema` unless the tables are there in just this version.
    static func require(on connection: PostgresConnection) throws(StoreError) {
        let version: Int
        do {
            version = Int(try connection.run([.init(name: "schema_version", binary: true)])[0].integer(0, 0) ?? 0)
        } catch {
            guard error.kind == .schema else { throw error }
            version = 0
        }
        if version == current { return }
        let message =
            version == 0
            ? "the tables are not there; run tallypost init"
            : version < current
                ? "the tables are of version \(version), this program needs \(current); run tallypost init"
                : "the tables are of version \(version), newer than this program (\(current)); upgrade tallypost"
        throw StoreError(kind: .schema, code: "", operation: "schema_version", message: message)
    }
}
