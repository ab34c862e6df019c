/// What happened, in numbers: cheap to note, hashed for the test of determinism, readable when it is shown.
struct TraceEvent {
    enum Kind: UInt8, CaseIterable {
        case inserted, began, rolledBack, retriedByPerson, cancelledByPerson, pausedByPerson, resumedByPerson
        case started, crashed, froze, thawed, stopAsked, reconfigured, finished
        case ordered, listens, opened, openFailed, orderDone, orderFailed, woken
        case claimed, completed, waiting, retried, failed, timedOut, released, late, swept, recovered, purged, joined
        case storeFault, zombie
        case sent, arrived, answered2xx, answeredOther, unanswered, routePaused
        case databaseAway, databaseBack, moodChanged, calm, allStopAsked
    }

    var time: Int64
    var kind: Kind
    /// The relay's number; -1: none.
    var relay: Int
    var a: Int64
    var b: Int64
}

extension TraceEvent: CustomStringConvertible {
    var description: String {
        let micros = time / 1_000
        let fraction = String(micros % 1_000_000)
        let stamp = "\(micros / 1_000_000).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
        let who = relay < 0 ? "        " : "relay-\(relay)" + (relay < 10 ? " " : "")
        return "\(String(repeating: " ", count: max(0, 12 - stamp.count)))\(stamp) s  \(who) \(text)"
    }

    private var text: String {
        switch kind {
        case .inserted: "task \(a) is committed"
        case .began: "the application inserts tasks \(a)…\(b), not yet committed"
        case .rolledBack: "the application rolls back tasks \(a)…\(b)"
        case .retriedByPerson: "a person retries task \(a)"
        case .cancelledByPerson: "a person cancels task \(a)"
        case .pausedByPerson: "a person pauses route \(a)"
        case .resumedByPerson: "a person resumes route \(a)"
        case .started: a == 0 ? "starts" : "starts, draining"
        case .crashed: "crashes"
        case .froze: "freezes for \(a / 1_000_000) ms"
        case .thawed: "goes on"
        case .stopAsked: "is asked to stop within \(a / 1_000_000) ms"
        case .reconfigured: "is reconfigured"
        case .finished: "has finished"
        case .ordered: "orders: \(a >> 16) outcomes\(Self.parts(a & 0xFFFF)), claim limit \(b)"
        case .listens: "listens"
        case .opened: "opened its store"
        case .openFailed: "could not open its store"
        case .orderDone: "order done: \(a) written, \(b) claimed"
        case .orderFailed: "order failed, \(a) outcomes kept"
        case .woken: a == 0 ? "heard nothing" : "heard of news"
        case .claimed: "task \(a) leased, epoch \(b)"
        case .completed: "task \(a) completed, epoch \(b)"
        case .waiting: "task \(a) waits for a signal, epoch \(b)"
        case .retried: "task \(a) back to pending, epoch \(b)"
        case .failed: "task \(a) failed, epoch \(b)"
        case .timedOut: "task \(a) timed out, epoch \(b)"
        case .released: "task \(a) released, epoch \(b)"
        case .late: "outcome of task \(a) came too late"
        case .swept: "task \(a) swept"
        case .joined: "task \(a) ended by its last delivery"
        case .purged: "task \(a) removed"
        case .recovered: "takes up task \(a), whose lease of relay-\(b) ran out"
        case .storeFault:
            [
                "its line breaks", "its line breaks behind a statement", "its line breaks before a statement that arrives later",
                "the database is busy", "the database takes no writes",
            ][Int(a)]
        case .zombie: "a statement thought lost is carried out"
        case .sent: "sends task \(a), epoch \(b)"
        case .arrived: "task \(a), epoch \(b), reached its receiver"
        case .answered2xx: "receiver of task \(a), epoch \(b), says 2xx"
        case .answeredOther: "receiver of task \(a) says \(b)"
        case .unanswered: "task \(a), epoch \(b), gets no answer"
        case .routePaused: "pauses a route"
        case .databaseAway: "the database goes away"
        case .databaseBack: "the database is back"
        case .moodChanged: "destination \(a) becomes \(Mood(rawValue: Int(b)).map { "\($0)" } ?? "odd")"
        case .calm: "all faults cease"
        case .allStopAsked: "every relay is asked to stop"
        }
    }

    private static func parts(_ bits: Int64) -> String {
        var text = ""
        for (bit, name) in ["pause", "claim", "sweep", "expired", "survey", "leases", "purge"].enumerated()
        where bits >> Int64(bit) & 1 == 1 {
            text += ", \(name)"
        }
        return text
    }
}

/// The last events, and a hash of all.
struct Trace {
    static let kept = 50

    private(set) var hash: UInt64 = 0
    private(set) var count = 0
    /// How often each kind of event came.
    private(set) var counts = [Int](repeating: 0, count: TraceEvent.Kind.allCases.count)
    private var ring: [TraceEvent] = []
    /// Where every event is shown as it happens.
    let show: (@Sendable (String) -> Void)?

    init(show: (@Sendable (String) -> Void)?) {
        self.show = show
        ring.reserveCapacity(Self.kept)
    }

    mutating func note(_ event: TraceEvent) {
        for word in [event.time, Int64(event.kind.rawValue), Int64(event.relay), event.a, event.b] {
            hash = (hash ^ UInt64(bitPattern: word)) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 29
        }
        if ring.count < Self.kept { ring.append(event) } else { ring[count % Self.kept] = event }
        count += 1
        counts[Int(event.kind.rawValue)] += 1
        show?(event.description)
    }

    /// The last events, oldest first.
    var last: [String] {
        let start = ring.count < Self.kept ? 0 : count % Self.kept
        return (ring[start...] + ring[..<start]).map(\.description)
    }
}
