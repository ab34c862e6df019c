import TallypostCore
import TallypostReconciliation

extension Configuration {
    /// The rules that hold tasks before dispatch; none without a folder of rules. A broken rule refuses all: what should have been held
    /// must not go because of a slip of the pen. A folder that is not there yet holds nothing; each reconciliation says that it is missing.
    func holdRules(dialect: SQLDialect) throws(ConfigurationError) -> [HoldRule] {
        guard let folder = reconcile?.rules, FileCheck.isThere(folder) else { return [] }
        do throws(RuleProblems) {
            return try RuleBook(load: folder).rules.compactMap { $0.holdRule(dialect: dialect) }
        } catch {
            throw ConfigurationError(
                problems: error.problems.map {
                    ConfigurationProblem(file: $0.file, line: $0.line, path: "reconcile.rules", message: "\($0.what); \($0.mend)")
                })
        }
    }
}

extension Rule {
    /// What the relay needs of a rule with `hold: yes`; nil for any other.
    func holdRule(dialect: SQLDialect) -> HoldRule? {
        guard let expectation, holdSQL(dialect: dialect, keyType: KeyType(nil)) != nil else { return nil }
        let rule = self
        return HoldRule(
            name: name, type: expectation.type, keyTypeSQL: keyTypeSQL(dialect: dialect),
            lacking: "no row of \(expectation.table) with \(expectation.key) ",
            condition: expectation.condition.map { " where \($0)" } ?? ""
        ) { type in
            rule.holdSQL(dialect: dialect, keyType: KeyType(type)) ?? ""
        }
    }
}

extension DatabaseURL {
    /// Which SQL it speaks.
    var dialect: SQLDialect {
        switch self {
        case .sqlite: .sqlite
        case .postgres: .postgres
        }
    }
}
