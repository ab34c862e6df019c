import TallypostCore

/// How a destination behaves for the time being.
enum Mood: Int, CaseIterable {
    case good, slow, flaky, down, silent, throttling, rejecting, gone
}

/// The circumstances of one run, drawn from its seed.
///
/// Each kind of fault is there or is not: runs with few kinds reach depths that runs with all of them never see (Groce et
/// al., "Swarm testing", ISSTA 2012).
struct Scenario {
    var limits = RelayLimits()
    /// Types and their routes as every relay first has them.
    var types: [String] = []
    var routes: [String: RoutePolicy] = [:]
    var origins: [Origin] = []
    var relays = 1
    var transactions = 0
    /// How long tasks that have ended are kept: far shorter than in the real world, or for ever.
    var retention = RetentionPolicy.never
    /// How long faults last.
    var turbulence: Int64 = 0

    // What happens how often: the mean time between two, in nanoseconds; 0: never.
    var crashes: Int64 = 0
    var freezes: Int64 = 0
    var stops: Int64 = 0
    var reconfigurations: Int64 = 0
    var outages: Int64 = 0
    var moodChanges: Int64 = 0
    var peopleActs: Int64 = 0

    // In a thousand.
    var storeFaults: UInt64 = 0
    var storeSlowness: UInt64 = 0
    var wireFaults: UInt64 = 0
    var freezesInMidTurn: UInt64 = 0
    var drainingRelays: UInt64 = 0

    var orderingKeys = 0
    var hasOddRows = false
    var hasRowTargets = false
    var hasDeadlines = false
    var hasLongTasks = false
    var overlookedRows = 0
    var falseAlarms = 0
    var removesRoutes = false
    /// Every clock runs off by at most so many parts in a million.
    var drift: Int64 = 0

    init(_ random: inout RandomSource) {
        relays = random.pick([1, 1, 2, 2, 3, 4])
        transactions = random.int(2...24)
        hasLongTasks = random.chance(300)
        turbulence = Int64(random.int(2...14)) * second
        drawLimits(&random)
        drawRoutes(&random)
        drawFaults(&random)
    }

    private mutating func drawLimits(_ random: inout RandomSource) {
        limits.claimBatch = random.pick([1, 3, 10, 50, 500])
        limits.settleBatch = random.pick([1, 2, 5, 50, 500])
        limits.heldTasks = random.pick([2, 8, 30, 10_000])
        limits.heldBytes = random.pick([4_000, 20_000, 64 << 20])
        limits.inFlight = random.pick([1, 3, 10, 5_000])
        limits.batchBytes = random.pick([600, 3_000, 4 << 20])
        limits.prefetch = random.pick([1, 4, 16, 1_000])
        limits.choreBatch = random.pick([1, 3, 100])
        limits.choreInterval = .milliseconds(random.pick([1_000, 1_000, 2_000, 4_000]))
        limits.pollInterval = .milliseconds(random.pick([500, 1_000, 1_000, 3_000]))
        limits.settleWithin = .milliseconds(random.pick([0, 3, 3, 50]))
        limits.setAsideLease = .seconds(5)
        limits.keepWithin = .milliseconds(random.pick([0, 100, 1_000, 1_000]))
        limits.rateAhead = .milliseconds(random.pick([1, 100, 500]))
        limits.breakerAttempts = random.pick([1, 2, 4, 10])
        limits.breakerShortest = .milliseconds(random.pick([50, 300, 1_000, 3_000]))
        limits.breakerLongest = .seconds(random.pick([3, 5, 10]))
        limits.breakerMemory = .seconds(random.pick([1, 5, 60]))
        limits.remembered = random.pick([0, 2, 10_000])
        limits.signInterval = .milliseconds(random.pick([500, 1_000, 3_000]))
        limits.signLife = .seconds(random.pick([10, 15]))
        limits.leastClaimBatch = random.pick([1, 10])
        limits.longestBackoff = .seconds(random.pick([1, 5, 10]))
    }

    private mutating func drawRoutes(_ random: inout RandomSource) {
        let destinations = random.int(1...4)
        for number in 0..<destinations { origins.append(Origin(scheme: "http", host: "d\(number)", port: 80)) }
        for number in 0..<random.int(1...3) {
            let type = "type-\(number)"
            types.append(type)
            let timeout = TimeSpan.milliseconds(random.pick([300, 1_000, 2_000, 4_000]))
            let base = TimeSpan.milliseconds(random.pick([20, 200, 1_000]))
            let schedule: RetryPolicy.Schedule =
                random.chance(800)
                ? .exponential(base: base, cap: .seconds(random.pick([1, 3, 6])))
                : .delays([base, .milliseconds(700), .seconds(2)])
            routes[type] = RoutePolicy(
                type: type, origin: random.pick(origins), timeout: timeout, maxAttempts: random.pick([0, 1, 2, 3, 5, 8]),
                retry: RetryPolicy(schedule: schedule, alsoOn: random.chance(200) ? [404] : []),
                deadline: random.chance(100) ? .seconds(Int64(random.int(2...20))) : nil,
                lease: timeout + .milliseconds(random.pick([3_000, 3_000, 5_000, 10_000])),
                concurrency: random.pick([1, 2, 4, 64]), rate: drawRate(&random), whenFailed: random.chance(300) ? .block : .skip,
                heartbeat: hasLongTasks && random.chance(600) ? .milliseconds(random.pick([300, 1_000, 3_000])) : nil,
                batch: drawBatch(&random))
        }
        if random.chance(300) { addSubscribers(&random) }
    }

    /// One row, a delivery for each subscriber: their routes are like any other.
    private mutating func addSubscribers(_ random: inout RandomSource) {
        guard var parent = routes["type-0"] else { return }
        for name in ["a", "b"] {
            var route = parent
            route.type = RoutePolicy.subscription(of: parent.type, to: name)
            route.origin = random.pick(origins)
            route.maxAttempts = random.pick([0, 1, 3])
            route.batch = drawBatch(&random)
            types.append(route.type)
            routes[route.type] = route
            parent.subscribers.append(name)
        }
        parent.batch = nil
        parent.origin = nil
        routes[parent.type] = parent
    }

    private func drawBatch(_ random: inout RandomSource) -> BatchPolicy? {
        guard random.chance(300) else { return nil }
        return BatchPolicy(most: random.pick([1, 2, 3, 10, 100]), wait: .milliseconds(random.pick([0, 20, 200, 1_000, 4_000])))
    }

    private func drawRate(_ random: inout RandomSource) -> RateLimit? {
        guard random.chance(300) else { return nil }
        return random.pick([
            RateLimit(count: 2, per: .seconds(1)), RateLimit(count: 10, per: .seconds(1), burst: 1),
            RateLimit(count: 100, per: .seconds(1), burst: 5), RateLimit(count: 120, per: .minutes(1), burst: 8),
        ])
    }

    private mutating func drawFaults(_ random: inout RandomSource) {
        func rare(_ share: UInt64, _ means: [Int64]) -> Int64 { random.chance(share) ? random.pick(means) * second : 0 }
        crashes = rare(400, [2, 5, 10])
        freezes = rare(400, [2, 4, 8])
        stops = rare(250, [4, 10])
        reconfigurations = rare(250, [2, 5])
        outages = rare(350, [3, 6, 10])
        moodChanges = rare(700, [1, 3, 6])
        peopleActs = rare(400, [1, 3])
        storeFaults = random.chance(500) ? random.pick([5, 30, 120]) : 0
        storeSlowness = random.chance(400) ? random.pick([5, 50, 200]) : 0
        wireFaults = random.chance(500) ? random.pick([20, 100, 300]) : 0
        freezesInMidTurn = freezes > 0 && random.chance(500) ? random.pick([1, 5, 20]) : 0
        drainingRelays = random.chance(250) ? random.pick([200, 600]) : 0
        orderingKeys = random.chance(500) ? random.int(1...3) : 0
        hasOddRows = random.chance(500)
        hasRowTargets = random.chance(400)
        hasDeadlines = random.chance(400)
        overlookedRows = random.chance(300) ? random.pick([50, 300]) : 0
        falseAlarms = random.chance(300) ? random.pick([50, 300]) : 0
        removesRoutes = random.chance(150)
        drift = random.chance(500) ? 100 : 0
        if random.chance(400) {
            retention = RetentionPolicy(
                completed: random.pick([nil, .seconds(1), .seconds(5)]), final: random.pick([nil, .seconds(2), .seconds(8)]))
        }
    }
}

/// Nanoseconds.
let second: Int64 = 1_000_000_000
/// Nanoseconds.
let millisecond: Int64 = 1_000_000
/// Nanoseconds.
let microsecond: Int64 = 1_000

extension RandomSource {
    /// True in so many of a thousand cases. Draws a number in any case.
    mutating func chance(_ perMille: UInt64) -> Bool { next(upTo: 999) < perMille }

    mutating func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next(upTo: UInt64(range.upperBound - range.lowerBound)))
    }

    mutating func span(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(next(upTo: UInt64(range.upperBound - range.lowerBound)))
    }

    mutating func pick<Element>(_ choices: [Element]) -> Element { choices[int(0...(choices.count - 1))] }
}
