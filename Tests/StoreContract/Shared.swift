import Foundation
import Synchronization

/// Something that is used from two threads by its own promise, whatever its type says.
public struct Shared<Value>: @unchecked Sendable {
    /// It.
    public let value: Value
    /// - Parameter value: it.
    public init(_ value: Value) { self.value = value }
}

/// A start that another thread waits for, and an end that it sees.
public final class Flag: Sendable {
    private let begun = DispatchSemaphore(value: 0)
    private let done = Atomic(false)

    /// Neither begun nor done.
    public init() {}
    /// Lets the waiting thread go.
    public func start() { begun.signal() }
    /// Blocks until it has started.
    public func wait() { begun.wait() }
    /// Says that it is over.
    public func finish() { done.store(true, ordering: .sequentiallyConsistent) }
    /// Whether it is over.
    public var isDone: Bool { done.load(ordering: .sequentiallyConsistent) }
}
