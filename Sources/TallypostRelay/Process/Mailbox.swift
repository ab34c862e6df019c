import Synchronization
import TallypostThreads

/// A bounded mailbox between threads: any may post, one takes.
///
/// Messages of one thread keep their order. The descriptor is written only when the box was empty, so a burst of messages
/// costs one system call.
public final class Mailbox<Message: Sendable>: Sendable {
    private struct State: Sendable {
        var messages: [Message] = []
        var refused = 0
    }

    /// It holds no more.
    public let capacity: Int
    private let state = Mutex(State())
    private let event = EventDescriptor()

    /// - Parameter capacity: at least 1.
    public init(capacity: Int) {
        precondition(capacity > 0, "a mailbox without room")
        self.capacity = capacity
    }

    /// Readable while messages wait, for poll and epoll. Only ``takeAll()`` and ``waitForAll()`` clear it.
    public var descriptor: Int32 { event.descriptor }

    /// How many messages were turned away because the box was full.
    public var refused: Int { state.withLock { $0.refused } }

    /// Puts a message in and wakes the taker; false, and nothing is kept, when the box is full. Never blocks.
    ///
    /// The descriptor is written, and cleared, under the box's lock: it is readable when, and only when, messages wait. Written
    /// after the lock was let go, it could stay readable for a message that was taken already, and whoever polls it then would
    /// be interrupted for nothing, and interrupt in turn, again and again.
    public func post(_ message: Message) -> Bool {
        state.withLock { state in
            guard state.messages.count < capacity else {
                state.refused += 1
                return false
            }
            state.messages.append(message)
            if state.messages.count == 1 { event.raise() }
            return true
        }
    }

    /// Everything that waits, oldest first; empty when nothing does.
    public func takeAll() -> [Message] {
        state.withLock { state in
            var taken: [Message] = []
            guard !state.messages.isEmpty else { return taken }
            event.clear()
            swap(&taken, &state.messages)
            return taken
        }
    }

    /// Sleeps until something waits, and takes it all.
    public func waitForAll() -> [Message] {
        while true {
            let taken = takeAll()
            if !taken.isEmpty { return taken }
            event.wait()
        }
    }
}
