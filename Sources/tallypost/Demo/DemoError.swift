import TallypostCore

/// Why a demo ended before its proof.
enum DemoError: Error, CustomStringConvertible {
    /// Ctrl-C, or another signal that asks to end.
    case interrupted
    /// An option that cannot be followed.
    case usage(String)
    /// A process ended, or would not start, when it should have run. The text holds the end of its log.
    case process(String)
    /// Something took far longer than it should.
    case late(String)
    /// The system refused a call.
    case system(call: String, code: Int32, message: String)
    /// A database refused.
    case database(StoreError)

    var description: String {
        switch self {
        case .interrupted: "interrupted"
        case .usage(let text), .process(let text), .late(let text): text
        case .system(let call, _, let message): "\(call): \(message)"
        case .database(let error): "\(error)"
        }
    }

    /// The exit code that tells it.
    var exitCode: ExitCode {
        switch self {
        case .interrupted: .interrupted
        case .usage: .usage
        case .process, .late, .system, .database: .fault
        }
    }
}
