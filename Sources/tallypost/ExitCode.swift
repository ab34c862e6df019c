import TallypostCore

/// How the program ends: sysexits(3), and two of reconciliation's own.
enum ExitCode: Int32, CaseIterable, Sendable {
    case good = 0
    /// Reconciliation found breaks.
    case breaks = 3
    /// Reconciliation could not be completed.
    case incomplete = 4
    /// The command line is wrong.
    case usage = 64
    /// What was given to work on is wrong: no such task, a file that cannot be read.
    case badData = 65
    /// The database is out of reach.
    case unavailable = 69
    /// A fault of ours.
    case fault = 70
    /// The configuration is wrong, or the tables are not there.
    case configuration = 78

    /// Ctrl-C, as shells count it: 128 and the signal's number.
    case interrupted = 130

    /// As a help text has it.
    var meaning: String {
        switch self {
        case .good: "good"
        case .breaks: "reconciliation found breaks"
        case .incomplete: "reconciliation could not be completed"
        case .usage: "the command line is wrong"
        case .badData: "bad data: no such task, a damaged database"
        case .unavailable: "the database is out of reach"
        case .fault: "a fault of tallypost itself"
        case .interrupted: "interrupted"
        case .configuration: "the configuration is wrong, or the tables are not there"
        }
    }

    /// What a failure of the database means for a command that cannot go on.
    init(_ error: StoreError) {
        switch error.kind {
        case .connection, .busy, .unwritable: self = .unavailable
        case .schema, .permission: self = .configuration
        case .corrupt, .data: self = .badData
        case .defect: self = .fault
        }
    }
}
