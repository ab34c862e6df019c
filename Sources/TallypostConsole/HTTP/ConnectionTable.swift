import Glibc
import Synchronization
import TallypostCore

/// Every open connection, with the time by which something must have come of it.
///
/// The library's own limit is on silence alone: a client that sends a byte now and then holds its connection for ever. What is
/// overdue here is shut down, whatever it sends.
final class ConnectionTable: Sendable {
    private struct Slot: Sendable {
        var descriptor: Int32
        var network: PeerAddress.Network?
        /// Nil: we are at work, not the client.
        var deadline: Instant?
    }

    private struct State: Sendable {
        var slots: [Int: Slot] = [:]
        var perNetwork: [PeerAddress.Network: Int] = [:]
        var nextID = 1
    }

    private let limit: Int?
    private let state = Mutex(State())

    /// - Parameter limit: connections of one address (a /64 with IPv6); nil: no such limit.
    init(perAddress limit: Int?) { self.limit = limit }

    /// Whether one more connection from there may come.
    func admits(_ peer: PeerAddress) -> Bool {
        guard let limit, let network = peer.network else { return true }
        return state.withLock { ($0.perNetwork[network] ?? 0) < limit }
    }

    /// A connection has come; its number here.
    func add(_ descriptor: Int32, _ peer: PeerAddress, deadline: Instant) -> Int {
        state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            state.slots[id] = Slot(descriptor: descriptor, network: peer.network, deadline: deadline)
            if let network = peer.network { state.perNetwork[network, default: 0] += 1 }
            return id
        }
    }

    /// A connection ends; called before its descriptor is closed, so that no other can have got the number yet.
    func remove(_ id: Int) {
        state.withLock { state in
            guard let slot = state.slots.removeValue(forKey: id), let network = slot.network else { return }
            let left = (state.perNetwork[network] ?? 1) - 1
            state.perNetwork[network] = left > 0 ? left : nil
        }
    }

    /// Something must have come of it by then; nil: no hurry.
    func setDeadline(_ id: Int, _ deadline: Instant?) { state.withLock { $0.slots[id]?.deadline = deadline } }

    /// The same, but never later than said before.
    func hasten(_ id: Int, _ deadline: Instant) {
        state.withLock { state in
            if let before = state.slots[id]?.deadline, before > deadline { state.slots[id]?.deadline = deadline }
        }
    }

    /// Shuts down what is overdue; how many those were.
    func sweep(at now: Instant) -> Int {
        state.withLock { state in
            var count = 0
            for (id, slot) in state.slots {
                guard let deadline = slot.deadline, deadline <= now else { continue }
                _ = shutdown(slot.descriptor, Int32(SHUT_RDWR))
                state.slots[id]?.deadline = nil
                count += 1
            }
            return count
        }
    }

    /// Open connections.
    var count: Int { state.withLock { $0.slots.count } }
}
