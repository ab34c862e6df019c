/// One metric with its samples, before it is written in any format.
public struct MetricFamily: Sendable {
    /// What kind it is.
    public enum Kind: String, Sendable {
        /// Only grows.
        case counter
        /// Goes up and down.
        case gauge
        /// How long things took.
        case histogram
    }

    /// What a sample says.
    public enum Value: Sendable {
        /// A whole number.
        case count(Int64)
        /// Any other.
        case number(Double)
        /// Of a ``Kind/histogram``.
        case histogram(Histogram)
    }

    /// One of its values.
    public struct Sample: Sendable {
        /// Names and values, in the order in which they are written.
        public var labels: [(name: String, value: String)]
        /// The value.
        public var value: Value

        /// Memberwise.
        public init(_ value: Value, labels: [(name: String, value: String)] = []) {
            self.labels = labels
            self.value = value
        }
    }

    /// The whole name, `tallypost_attempts_total`; a counter's ends in `_total`.
    public var name: String
    /// What kind it is.
    public var kind: Kind
    /// One line for people.
    public var help: String
    /// Its values.
    public var samples: [Sample]

    /// Memberwise.
    public init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// One value without labels.
    public init(_ name: String, _ kind: Kind, _ help: String, _ value: Int64) {
        self.init(name, kind, help, [Sample(.count(value))])
    }
}
