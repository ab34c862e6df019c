import Foundation
import Synchronization

/// Runs `body` on a thread of its own at once; ``wait()`` gives its result back.
///
/// Not a `Task`: stores block, and a machine with two cores has two threads for all tasks.
public final class InBackground<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    /// Starts the thread.
    public init(_ body: @escaping @Sendable () throws -> Value) {
        Thread.detachNewThread { [self] in
            let value = Result { try body() }
            result.withLock { $0 = value }
            done.signal()
        }
    }

    /// Blocks until it has ended.
    public func wait() throws -> Value {
        done.wait()
        guard let value = result.withLock({ $0 }) else { throw FixtureError("the thread left no result") }
        return try value.get()
    }
}
