import Synchronization
import TallypostCore

/// How often one address may name a token that is none: a token bucket per IPv4 address or IPv6 /64. What hits costs nothing.
///
/// A bucket is kept as the moment when it is full again, and is forgotten then; the table is bounded, and beyond that all new
/// addresses share one bucket.
final class MissLimit: Sendable {
    private struct State: Sendable {
        var fullAt: [PeerAddress.Network: Instant] = [:]
        var sharedFullAt = Instant(nanoseconds: .min)
        var nextSweep = Instant(nanoseconds: .min)
    }

    /// From one token to the next.
    let interval: TimeSpan
    /// What a bucket holds.
    let burst: Int64
    /// Addresses in the table.
    let capacity: Int
    private let state = Mutex(State())

    /// By default 100 a second, and 1,000 at once.
    init(capacity: Int = 65_536, interval: TimeSpan = .milliseconds(10), burst: Int64 = 1_000) {
        self.capacity = capacity
        self.interval = interval
        self.burst = burst
    }

    /// How long that address has to wait until it may ask again; nil: it may.
    func wait(_ network: PeerAddress.Network?, at now: Instant) -> TimeSpan? {
        guard let network else { return nil }
        let fullAt = state.withLock { $0.fullAt[network] ?? ($0.fullAt.count < capacity ? now : $0.sharedFullAt) }
        let ready = fullAt + TimeSpan(nanoseconds: -(burst - 1) * interval.nanoseconds)
        return ready > now ? ready - now : nil
    }

    /// It named a token that is none.
    func charge(_ network: PeerAddress.Network?, at now: Instant) {
        guard let network else { return }
        // Many of one address may be under way at once: what they take beyond the bucket is not held against it for ever.
        let latest = now + TimeSpan(nanoseconds: 2 * burst * interval.nanoseconds)
        state.withLock { state in
            if state.fullAt[network] == nil, state.fullAt.count >= capacity, now >= state.nextSweep {
                state.fullAt = state.fullAt.filter { $0.value > now }
                state.nextSweep = now + .seconds(1)
            }
            if let before = state.fullAt[network] {
                state.fullAt[network] = min(max(before, now) + interval, latest)
            } else if state.fullAt.count < capacity {
                state.fullAt[network] = now + interval
            } else {
                state.sharedFullAt = min(max(state.sharedFullAt, now) + interval, latest)
            }
        }
    }

    /// Addresses that are remembered.
    var count: Int { state.withLock { $0.fullAt.count } }
}
