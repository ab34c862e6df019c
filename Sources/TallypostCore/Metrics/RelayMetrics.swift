/// What a relay counts by type, beside its tally. A type has a place in a list, looked up once for each of its channels: what is done
/// for every request is an addition at that place.
struct RelayMetrics: Sendable {
    /// Counts of one type.
    struct Series: Sendable {
        var completed: UInt64 = 0
        var failed: UInt64 = 0
        var timedOut: UInt64 = 0
        var succeeded: UInt64 = 0
        var accepted: UInt64 = 0
        var retried: UInt64 = 0
        var rejected: UInt64 = 0
        var lost: UInt64 = 0
        var duration = Histogram()
        var delay = Histogram()
    }

    /// The place of all types that have no route, so that rows with ever new types cost nothing.
    static let other = 0
    /// Types that are counted apart, at most: a configuration may change for ever.
    static let mostTypes = 1_000

    private(set) var types = ["(other)"]
    private(set) var series = [Series()]
    private var placeOf: [String: Int] = [:]
    /// Visits to the database.
    var visits = Histogram()
    var storeFailures: UInt64 = 0
    var written: UInt64 = 0

    init(_ types: some Sequence<String>) { know(types) }

    /// Types of the routes; those that are gone keep their counts.
    mutating func know(_ types: some Sequence<String>) {
        for type in types.sorted() where placeOf[type] == nil && self.types.count <= Self.mostTypes {
            placeOf[type] = series.count
            self.types.append(type)
            series.append(Series())
        }
    }

    func place(of type: String) -> Int { placeOf[type] ?? Self.other }

    mutating func sent(_ place: Int, delay: TimeSpan) { series[place].delay.add(delay) }

    /// An attempt was answered, or not, and this is what follows.
    mutating func answered(_ place: Int, after duration: TimeSpan, _ change: Outcome.Change) {
        series[place].duration.add(duration)
        switch change {
        case .completed: series[place].succeeded += 1
        case .waiting, .fannedOut: series[place].accepted += 1
        case .retry, .released, .held: series[place].retried += 1
        case .failed, .timedOut: series[place].rejected += 1
        }
    }

    mutating func lost(_ place: Int) { series[place].lost += 1 }

    mutating func decided(_ place: Int, _ change: Outcome.Change) {
        switch change {
        case .completed: series[place].completed += 1
        case .failed: series[place].failed += 1
        case .timedOut: series[place].timedOut += 1
        case .waiting, .fannedOut, .retry, .released, .held: break
        }
    }
}
