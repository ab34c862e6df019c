/// What can stand in a field of a log line. Secrets are of no such type.
public protocol LogValue: Sendable {
    /// The value as the line holds it.
    var logged: Logged { get }
}

/// A value of a log line.
public enum Logged: Sendable, Equatable {
    /// Text; masked and cut by the log.
    case text(String)
    /// A whole number.
    case integer(Int64)
    /// A number; what JSON cannot hold is written as null.
    case number(Double)
    /// True or false.
    case truth(Bool)
}

extension String: LogValue {
    /// As text.
    public var logged: Logged { .text(self) }
}
extension Int: LogValue {
    /// As a number.
    public var logged: Logged { .integer(Int64(self)) }
}
extension Int64: LogValue {
    /// As a number.
    public var logged: Logged { .integer(self) }
}
extension Double: LogValue {
    /// As a number.
    public var logged: Logged { .number(self) }
}
extension Bool: LogValue {
    /// As true or false.
    public var logged: Logged { .truth(self) }
}
