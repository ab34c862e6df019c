import TallypostCore

/// How, how often and where to reconcile: `reconcile` in the configuration. Without it the commands go by these defaults.
struct ReconcileConfiguration: Sendable, Equatable {
    /// Inside `run`; nil: only when somebody says `tallypost reconcile`.
    var every: TimeSpan?
    /// A task that has been due for longer is stale.
    var staleAfter = TimeSpan.hours(1)
    /// The folder of the rules.
    var rules: String?
    /// The folder that reports are written into.
    var reports: String?
    /// Another way to the same database, for reading: a role that can read only.
    var database: DatabaseURL?
    /// Where days begin and end.
    var zoneName = "UTC"
    /// The same.
    var zone = Zone.utc
    /// No statement of a rule takes longer.
    var statementTimeout = TimeSpan.minutes(5)
    /// What the reports call this installation: `prod`. Nil: the database's name.
    var environment: String?
    /// The Ed25519 key that signs manifests: PKCS#8 in PEM, named like every secret.
    var signingKey: SecretSource?
    /// Minor digits of currencies that ISO 4217 does not have, or that are kept otherwise.
    var exponents: [String: Int] = [:]

    static let keys = [
        "every", "staleAfter", "rules", "reports", "database", "zone", "statementTimeout", "environment", "signingKey",
        "exponents",
    ]
}

extension ConfigurationNode {
    /// `reconcile: { … }`. Paths that are not absolute are taken from the directory that the configuration is in.
    func reconcile() -> ReconcileConfiguration? {
        guard let fields = fields(ReconcileConfiguration.keys) else { return nil }
        var settings = ReconcileConfiguration()
        settings.every = fields["every"]?.positiveDuration()
        if let span = fields["staleAfter"]?.positiveDuration() { settings.staleAfter = span }
        if let span = fields["statementTimeout"]?.positiveDuration() { settings.statementTimeout = span }
        settings.rules = fields["rules"]?.path("a folder")
        settings.reports = fields["reports"]?.path("a folder")
        if let node = fields["database"], let text = node.string("a database URL") {
            do { settings.database = try DatabaseURL(parsing: text) } catch { node.report(error.reason) }
        }
        if let node = fields["zone"], let name = node.string("a time zone") {
            do throws(ScheduleError) {
                settings.zone = try ZoneDirectory().zone(name)
                settings.zoneName = name
            } catch { node.report("\"\(name)\" \(error.reason)") }
        }
        if let node = fields["environment"], let name = node.string("a name") {
            if name.utf8.count <= 40, !name.isEmpty, name.utf8.allSatisfy(Self.isNameByte) {
                settings.environment = name
            } else {
                node.report("\"\(name)\" becomes part of file names; use letters, digits, - and ., 40 at most")
            }
        }
        if let node = fields["signingKey"], let text = node.string("a secret's name") {
            do throws(SecretSource.Failure) { settings.signingKey = try SecretSource(parsing: text) } catch {
                node.report(error.reason)
            }
        }
        for (currency, node) in fields["exponents"]?.members() ?? [] {
            guard currency.utf8.count == 3, currency.utf8.allSatisfy({ $0 &- UInt8(ascii: "A") < 26 }) else {
                node.report("\"\(currency)\" is no currency; write three capital letters, as ISO 4217 does")
                continue
            }
            settings.exponents[currency] = node.integer(0...6)
        }
        return settings
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") < 10 || (byte | 0x20) &- UInt8(ascii: "a") < 26 || "-.".utf8.contains(byte)
    }

    private func positiveDuration() -> TimeSpan? {
        guard let span = duration() else { return nil }
        guard span >= .seconds(1) else {
            report("must be at least \"1s\"")
            return nil
        }
        return span
    }

    /// A path; a relative one is taken from the configuration's own directory.
    private func path(_ wanted: String) -> String? {
        guard let text = string(wanted) else { return nil }
        guard !text.isEmpty else {
            report("is empty; write \(wanted)")
            return nil
        }
        guard !text.hasPrefix("/"), let file = reader.file, let slash = file.lastIndex(of: "/") else { return text }
        return file[..<slash] + "/" + text
    }
}
